import type { PostingRow } from "../checker.ts";
import { checking } from "../findings.ts";
import { byOrder } from "../joins.ts";

/**
 * The cents of each entry add up to 0; what the shop has of an order is its captured payment, or nothing; it was taken from the buyer
 * who has the order; and nobody's refund is still due.
 */
export const moneyConserved = checking("money-conserved", ["payments", "postings"], ({ payments, postings }, findings) => {
  const books = booksOf(postings);
  const known = byOrder(payments);
  for (const [orderId, book] of books) {
    findings.looked();
    for (const entry of ["capture", "refund"] as const) {
      if (book[entry] !== 0) findings.add({ kind: "unbalanced", key: orderId, cents: Math.abs(book[entry]), detail: `its ${entry} adds up to ${book[entry]} cents` });
    }
    const payment = known.get(orderId);
    if (payment === undefined) findings.add({ kind: "no-payment", key: orderId, cents: Math.abs(book.shop), detail: "postings, but no payment" });
    else if ([...book.buyers].some((account) => account !== `buyer:${payment.buyer}`)) findings.add({ kind: "another-buyer", key: orderId, cents: payment.cents, detail: `posted to ${[...book.buyers].join(", ")}, bought by ${payment.buyer}` });
  }
  for (const { orderId, state, cents } of payments) {
    findings.looked();
    const shop = books.get(orderId)?.shop ?? 0;
    if (state === "refund-due") findings.add({ kind: "refund-due", key: orderId, cents, detail: "money that is not ours" });
    // The refund may be posted when it is owed or when it is done.
    const fits = state === "refund-due" ? shop === cents || shop === 0 : shop === (state === "captured" ? cents : 0);
    if (!fits) findings.add({ kind: "postings-disagree", key: orderId, cents: Math.abs(shop - (state === "captured" ? cents : 0)), detail: `the payment of ${cents} is ${state}, the shop has ${shop}` });
  }
});

interface Book {
  capture: number;
  refund: number;
  shop: number;
  readonly buyers: Set<string>;
}

function booksOf(postings: readonly PostingRow[]): Map<string, Book> {
  const books = new Map<string, Book>();
  for (const { orderId, entry, account, cents } of postings) {
    const book = books.get(orderId) ?? { capture: 0, refund: 0, shop: 0, buyers: new Set() };
    book[entry] += cents;
    if (account.startsWith("buyer:")) book.buyers.add(account);
    else book.shop += cents;
    books.set(orderId, book);
  }
  return books;
}
