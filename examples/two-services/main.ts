/** `npm run example`: opens the shop, lets four people buy, and shows what the databases hold afterwards. */
import { readBooks, readMails, type Books } from "./books.ts";
import { openShop } from "./shop.ts";
import { adaBuysTwo, bobHasTooLittle, cleoBuysWhileTheStockDies, danBuysWhileTheMailerDies, fill, type Purchase } from "./story.ts";

const tell = (line: string): void => console.log(line);

tell("Opening the shop: a Postgres with four databases, the stock, the payment, the mailer, and the orders with the coordinator ...");
const shop = await openShop();
try {
  await fill(shop);
  const before = await readBooks(shop);
  tell("\n1. Ada buys 2 lamps.");
  tell(ending(await adaBuysTwo(shop)));
  tell("\n2. Bob buys 1 lamp and cannot pay for it.");
  tell(ending(await bobHasTooLittle(shop)));
  tell("\n3. Cleo buys 1 lamp.");
  tell(ending(await cleoBuysWhileTheStockDies(shop, tell)));
  tell("\n4. Dan buys 3 lamps.");
  tell(ending(await danBuysWhileTheMailerDies(shop, tell)));
  tell(`\n${table(before, await readBooks(shop))}`);
  tell(`\nMails that the mailer has written\n${(await readMails(shop)).join("\n")}`);
} finally {
  await shop.close();
}

function ending(purchase: Purchase): string {
  switch (purchase.kind) {
    case "committed":
      return `Committed: order ${purchase.result.orderId}.`;
    case "rolled-back": {
      const { reason, branches } = purchase;
      const why = reason.kind === "refused" ? `${reason.branch} was refused (${reason.code})` : reason.kind;
      return `Rolled back: ${why}. ${branches.map(({ branch, state }) => `${branch}: ${state}`).join(", ")}.`;
    }
    case "mixed":
    case "open":
    case "never-started":
      throw new Error(`purchase ${purchase.gid} is ${purchase.kind}`);
    default:
      throw new Error(`no such end: ${JSON.stringify(purchase satisfies never)}`);
  }
}

function table(before: Books, after: Books): string {
  const rows: readonly (readonly [string, (books: Books) => number])[] = [
    ["lamps free", (books) => books.lampsFree],
    ["lamps reserved", (books) => books.lampsHeld],
    ["orders", (books) => books.orders],
    ["units in orders", (books) => books.unitsOrdered],
    ["messages in outboxes", (books) => books.messages],
    ["Ada's cents", (books) => books.cents["ada"] ?? 0],
    ["Bob's cents", (books) => books.cents["bob"] ?? 0],
    ["Cleo's cents", (books) => books.cents["cleo"] ?? 0],
    ["Dan's cents", (books) => books.cents["dan"] ?? 0],
    ["cents set aside", (books) => books.centsHeld],
  ];
  const line = (name: string, first: string, last: string): string => `${name.padEnd(26)}${first.padStart(8)}${last.padStart(8)}`;
  return [
    line("Counted in the databases", "before", "after"),
    ...rows.map(([name, of]) => line(name, String(of(before)), String(of(after)))),
  ].join("\n");
}
