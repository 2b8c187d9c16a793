/**
 * What becomes of a payment, in every mode: guarded statements on one row, and double entry where money moves. `errand` is what the provider
 * has yet to be told; whoever leaves one wakes the dispatcher after the commit.
 *
 *     requested ─→ authorised ─→ captured ─→ refund-due ─→ refunded
 *         │  └────────────────↗      (called off)  ↑
 *         ├─→ declined                             │
 *         └─→ voided (called off) ─────────────────┘ money came all the same
 *
 * Guards look at the row's own columns only: an update that has waited for another one judges what that one left.
 */
import type { Effect, SqlExecutor } from "tripact/barrier";
import type { Bill, ChargeRequest, PaymentSettled, PaymentState } from "../contracts.ts";

/** The order's payment is in a state from which this step does not lead on. Known to have had no effect. */
export class PaymentStateError extends Error {
  readonly code = "payment-state";
  readonly state: PaymentState | undefined;
  constructor(orderId: string, step: string, state: PaymentState | undefined) {
    super(`order ${orderId}: its payment is ${state ?? "not known"} and cannot ${step}`);
    this.name = "PaymentStateError";
    this.state = state;
  }
}

/** The provider is to be asked for the buyer's money. Once an order: again, or after it was called off, nothing happens. */
export async function bill(db: SqlExecutor, orderId: string, { buyer, cents }: Bill, when: ChargeRequest["capture"]): Promise<void> {
  await db.execute(`with ${BILLING} select from billed`, [orderId, buyer, cents, when]);
}

/** `bill` where the order has no payment yet. */
export function billing(orderId: string, { buyer, cents }: Bill, when: ChargeRequest["capture"]): Effect {
  return { sql: BILLED, values: [orderId, buyer, cents, when] };
}
const BILLING = `billed as (
       insert into payment (order_id, buyer, cents, capture, state, errand) values ($1, $2, $3, $4, 'requested', 'request')
       on conflict (order_id) do nothing returning order_id
     )`;
const BILLED = { with: BILLING, done: "exists (select from billed)" };

export async function stateOf(db: SqlExecutor, orderId: string): Promise<PaymentState | undefined> {
  const { rows } = await db.execute("select state from payment where order_id = $1", [orderId]);
  return rows[0]?.["state"] as PaymentState | undefined;
}

/** Takes the money that was set aside. Again: nothing. From every other state it throws. */
export async function capture(db: SqlExecutor, orderId: string): Promise<void> {
  const { rowCount } = await db.execute(`with ${CAPTURING} select from moved`, [orderId]);
  if (rowCount === 1) return;
  const state = await stateOf(db, orderId);
  if (state !== "captured") throw new PaymentStateError(orderId, "be captured", state);
}

/** `capture` where the money is set aside. */
export function capturing(orderId: string): Effect {
  return { sql: CAPTURED, values: [orderId] };
}
const CAPTURING = `moved as (
       update payment set state = 'captured', errand = 'capture', changed_at = clock_timestamp()
       where order_id = $1 and state = 'authorised'
       returning order_id, buyer, cents
     ), posted as (
       insert into posting (order_id, entry, account, cents)
       select order_id, 'capture', side.account, side.cents
       from moved cross join lateral (values ('buyer:' || buyer, -moved.cents), ('shop', moved.cents)) side (account, cents)
     )`;
const CAPTURED = { with: CAPTURING, done: "exists (select from moved)" };

/** The purchase is off, whatever has happened so far. Money that has come goes back; money that still comes will. */
export async function callOff(db: SqlExecutor, orderId: string): Promise<void> {
  await db.execute(
    `with moved as (
       update payment set
         state = case state when 'captured' then 'refund-due' else 'voided' end,
         errand = case state when 'captured' then 'refund' else 'void' end,
         changed_at = clock_timestamp()
       where order_id = $1 and state in ('requested', 'authorised', 'captured')
       returning order_id, buyer, cents, state
     )
     insert into posting (order_id, entry, account, cents)
     select order_id, 'refund', side.account, side.cents
     from moved cross join lateral (values ('shop', -moved.cents), ('buyer:' || buyer, moved.cents)) side (account, cents)
     where moved.state = 'refund-due'`,
    [orderId],
  );
}

/**
 * A purchase that was paid is given back. Its money may still be set aside, because its confirm is on the way: called off before that it
 * could never be taken as was decided, so this throws, and comes again.
 */
export async function payBack(db: SqlExecutor, orderId: string): Promise<void> {
  const { rows } = await db.execute("select state from payment where order_id = $1 for update", [orderId]);
  const state = rows[0]?.["state"] as PaymentState | undefined;
  if (state === "requested" || state === "authorised") throw new PaymentStateError(orderId, "be paid back yet", state);
  await callOff(db, orderId);
}

/**
 * What the provider said, by callback or in an answer. Returns what whoever waits for this payment is to hear; undefined where there is no
 * news for him: repeats, nonsense, and everything after a call off, when nobody waits any more.
 */
export async function record(db: SqlExecutor, orderId: string, heard: PaymentSettled["outcome"]): Promise<PaymentSettled | undefined> {
  const now = await RECORDS[heard](db, orderId);
  return now === heard ? { orderId, outcome: heard } : undefined;
}

type Recording = (db: SqlExecutor, orderId: string) => Promise<PaymentState | undefined>;

const RECORDS: Readonly<Record<PaymentSettled["outcome"], Recording>> = {
  declined: async (db, orderId) =>
    stateIn(
      await db.execute(
        `update payment set state = 'declined', errand = null, changed_at = clock_timestamp()
         where order_id = $1 and state = 'requested'
         returning state`,
        [orderId],
      ),
    ),
  // Set aside after the call off: it is to be freed, even if the provider was told to before it knew of the charge.
  authorised: async (db, orderId) =>
    stateIn(
      await db.execute(
        `update payment set
           state = case state when 'requested' then 'authorised' else state end,
           errand = case state when 'requested' then null else 'void' end,
           changed_at = clock_timestamp()
         where order_id = $1 and (state = 'requested' or (state = 'voided' and errand is null))
         returning state`,
        [orderId],
      ),
    ),
  // Captured after the call off: the refund begins in the commit that learns of it, so there is no moment at which it could be forgotten.
  captured: async (db, orderId) =>
    stateIn(
      await db.execute(
        `with moved as (
           update payment set
             state = case state when 'voided' then 'refund-due' else 'captured' end,
             errand = case state when 'voided' then 'refund' end,
             changed_at = clock_timestamp()
           where order_id = $1 and state in ('requested', 'authorised', 'voided')
           returning order_id, buyer, cents, state
         ), posted as (
           insert into posting (order_id, entry, account, cents)
           select order_id, side.entry, side.account, side.cents
           from moved cross join lateral (values
             ('capture', 'buyer:' || buyer, -moved.cents), ('capture', 'shop', moved.cents),
             ('refund', 'shop', -moved.cents), ('refund', 'buyer:' || buyer, moved.cents)
           ) side (entry, account, cents)
           where side.entry = 'capture' or moved.state = 'refund-due'
         )
         select state from moved`,
        [orderId],
      ),
    ),
};

function stateIn({ rows }: { readonly rows: readonly Readonly<Record<string, unknown>>[] }): PaymentState | undefined {
  return rows[0]?.["state"] as PaymentState | undefined;
}
