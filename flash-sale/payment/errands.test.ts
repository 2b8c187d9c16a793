import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import type { ChargeRequest, ProviderDoor } from "../contracts.ts";
import { ChargeUnknown, Charges, type Decision } from "../provider/charges.ts";
import { NotTaken, Unknown, type Asking } from "../service/ask.ts";
import { HONEST, openBooks, type Books } from "./company.fixture.ts";
import type { Errand } from "./errands.ts";
import { hearing } from "./hearing.ts";
import { Waiters } from "./waiters.ts";
import { bill, callOff, capture, PaymentStateError } from "./ledger.ts";
import { doErrand } from "./telling.ts";

/**
 * One charge, its real row, and the provider's real machine; the network between them is a hand that holds letters back. A step is what
 * may happen next: the errand of the row is told, or its question is still on its way when the dispatcher gives up, or what was on its way
 * arrives, or he decides, or his callback comes (as often as it likes), or the purchase is called off or captured.
 */
const STEPS = ["callOff", "tell", "lose", "arrive", "decide", "callback", "capture"] as const;
type Step = (typeof STEPS)[number];
const CENTS = 900;
/** Errands leave at most this many others before all is quiet. */
const ROUNDS_MAX = 8;

/** At once there is nothing to capture; later, what comes after the money is set aside needs more steps than four. */
const WORDS: Readonly<Record<ChargeRequest["capture"], readonly (readonly Step[])[]>> = {
  "at-once": wordsOf(4).filter((word) => !word.includes("capture")),
  later: [...wordsOf(4).filter((word) => word.includes("callOff")), ...wordsOf(3).map((word): Step[] => ["tell", "decide", "callback", ...word])],
};

let books: Books;
before(async () => {
  books = await openBooks(await freshDatabase("payment_errands"));
});
after(() => books?.close());

for (const when of ["at-once", "later"] as const) {
  test(`${when}: whatever the order of call off, letters, answers and callbacks, both books agree once the errands are done`, async () => {
    const words = WORDS[when];
    const left = words.entries();
    const ends = new Set<string>();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const [index, word] of left) ends.add(await live(`${when}-${index}`, when, word));
      }),
    );
    // Each way to end was among them.
    const common = ["captured captured", "voided voided", "voided declined", "refunded refunded"];
    assert.deepEqual([...ends].sort(), (when === "later" ? [...common, "authorised authorised", "refunded voided"] : common).sort());
  });
}

/** Returns how payment and provider see it in the end. */
async function live(id: string, when: ChargeRequest["capture"], word: readonly Step[]): Promise<string> {
  const charges = new Charges(HONEST);
  const onItsWay: (() => unknown)[] = [];
  let decision: Decision | undefined;
  let losing = false;

  const take = (path: string, question: unknown): unknown => answerOf(charges, path, question);
  const provider: Pick<Asking<ProviderDoor>, "ask"> = {
    async ask(path, question) {
      if (losing) {
        onItsWay.push(() => take(path, question));
        throw new Unknown(path, "on its way");
      }
      return take(path, question) as ProviderDoor[typeof path]["answers"];
    },
  };
  const listening = hearing(books.open, {}, { waiters: new Waiters(), echoes: new Waiters() }, () => assert.fail("nobody is told"));
  const company = { db: books.db, provider, callbackUrl: "http://127.0.0.1:9/", hearing: listening };
  const tell = async (lost: boolean): Promise<boolean> => {
    const errand = await errandOf(id);
    if (errand === undefined) return false;
    losing = lost;
    await doErrand(company, errand).catch(takeUnknown);
    losing = false;
    return true;
  };
  const moves: Readonly<Record<Step, () => unknown>> = {
    callOff: () => callOff(books.db, id),
    tell: () => tell(false),
    lose: () => tell(true),
    arrive: () => onItsWay.splice(0).forEach((letter) => letter()),
    decide: () => void (decision = charges.decide(id) ?? decision),
    callback: () => said(decision),
    capture: () => capture(books.db, id).catch(takeStateError),
  };
  async function said(what: Decision | undefined): Promise<void> {
    if (what?.state === "authorised" || what?.state === "captured" || what?.state === "declined") await listening.heard(id, what.state);
  }

  await bill(books.db, id, { buyer: id, cents: CENTS }, when);
  for (const step of word) await moves[step]();
  // Then all is well again: letters arrive, he decides, errands are done, and his callback comes before and after them.
  for (let time = 0; time < 2; time += 1) {
    await moves.arrive();
    await moves.decide();
    await moves.callback();
    let rounds = 0;
    while (await tell(false)) assert.ok((rounds += 1) < ROUNDS_MAX, `${word.join(" ")}: errands without end`);
  }
  return compare(id, word, charges);
}

async function compare(id: string, word: readonly Step[], charges: Charges): Promise<string> {
  const story = word.join(" ");
  const { rows } = await books.pool.query<{ state: string; errand: string | null; shop: number }>(
    "select state, errand, coalesce((select sum(cents) from posting where order_id = $1 and account = 'shop'), 0)::int as shop from payment where order_id = $1",
    [id],
  );
  const [row] = rows;
  const charge = charges.lookup(id);
  assert.ok(row !== undefined && charge.kind === "charge", story);
  assert.equal(row.errand, null, story);
  assert.equal(row.shop, charge.state === "captured" ? CENTS : 0, `${story}: ${row.state}, ${charge.state}`);
  if (word.includes("callOff")) assert.ok(["voided", "declined", "refunded"].includes(charge.state), `${story}: called off, and he has ${charge.state} it`);
  return `${row.state} ${charge.state}`;
}

function answerOf(charges: Charges, path: string, question: unknown): unknown {
  try {
    if (path === "/charges/request") return charges.request(question as ChargeRequest).charge;
    const { key } = question as { readonly key: string };
    if (path === "/charges/capture") return charges.capture(key);
    if (path === "/charges/void") return charges.void(key);
    if (path === "/charges/refund") return charges.refund(key);
  } catch (error) {
    if (error instanceof ChargeUnknown) throw new NotTaken(path, 404, error.message);
    throw error;
  }
  return assert.fail(path);
}

/** As `errandsDue` gives it, of this order alone. */
async function errandOf(id: string): Promise<Errand | undefined> {
  const { rows } = await books.pool.query<Errand>(
    `select order_id as "orderId", buyer, cents, capture, errand as name, changed_at::text as left from payment where errand is not null and order_id = $1`,
    [id],
  );
  return rows[0];
}

function wordsOf(length: number): Step[][] {
  if (length === 0) return [[]];
  return wordsOf(length - 1).flatMap((word) => STEPS.map((step) => [...word, step]));
}

function takeUnknown(error: unknown): void {
  if (!(error instanceof Unknown)) throw error;
}

function takeStateError(error: unknown): void {
  if (!(error instanceof PaymentStateError)) throw error;
}
