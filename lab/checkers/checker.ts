/**
 * What a judge is given and what he gives back. All of it is plain data, so that a verdict can be repeated from a file. The words are the
 * platform's tables and answers, written down here a second time on purpose: a mistake that judge and judged share acquits itself.
 * Money is in cents, times are milliseconds: `…Ms` of an operation by the client's monotonic clock, of a row since 1970.
 */

/** A table's rows; `null` where it was not read, or is not there. */
export type Rows<Row> = readonly Row[] | null;

export interface Evidence {
  /** As whoever opened them asked for, or as the orders' database has them. */
  readonly sales: Rows<SaleTerms>;
  /** False where lines of the history are known to be missing. */
  readonly historyIsWhole: boolean;
  readonly operations: Rows<Operation>;
  readonly finals: Rows<ToldFinal>;
  readonly orders: Rows<OrderRow>;
  readonly events: Rows<OrderEventRow>;
  readonly allowances: Rows<AllowanceRow>;
  readonly items: Rows<ItemRow>;
  readonly chunks: Rows<ChunkRow>;
  readonly holds: Rows<HoldRow>;
  /** In the order of their ids. */
  readonly movements: Rows<MovementRow>;
  readonly payments: Rows<PaymentRow>;
  readonly postings: Rows<PostingRow>;
  /** The provider's book. */
  readonly charges: Rows<Charge>;
  /** One a database that has a journal; none in modes without. */
  readonly journals: Rows<JournalLeftovers>;
  /** One a subscription, and one for messages that nobody subscribes to. */
  readonly mailboxes: Rows<MailboxLeftovers>;
  /** Of tripact's journal and of its choreographies; none in modes without. So it is with the next four. */
  readonly transactions: Rows<TransactionRow>;
  /** In the order of their numbers; none of transactions whose entries were pruned. */
  readonly entries: Rows<EntryRow>;
  readonly barriers: Rows<BarrierRow>;
  /** What the outboxes still hold: settled messages are emptied after some minutes. */
  readonly messages: Rows<MessageRow>;
  /** What inboxes remember. */
  readonly deliveries: Rows<DeliveryRow>;
  /** Gateways that still run: what is left of their chunks is theirs to sell. */
  readonly livingGateways: readonly string[];
}

export interface SaleTerms {
  readonly sku: string;
  readonly units: number;
  readonly cents: number;
  readonly limitPerBuyer: number;
}

/**
 * One request for a purchase, as its client saw it. `accepted`: promised. `reject`: a business no. `fail`: this attempt had no effect.
 * `info`: nobody told, so it may have happened.
 */
export interface Operation {
  /** Left out where there is but one sale. */
  readonly sku?: string;
  readonly orderId?: string;
  readonly requestId: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly intentMs: number;
  readonly completedMs: number;
  readonly outcome: "accepted" | "reject" | "fail" | "info";
  /** Sent once more after the load, only to learn the end of a request. */
  readonly settling?: true;
  /** What the outcome rests on: a status, a code, an error. */
  readonly evidence: string;
}

export type OrderState = "placed" | "paid" | "sold-out" | "declined" | "expired" | "cancelled" | "failed" | "refunding" | "refunded" | "never-placed";

/** A final state that the client was told when he asked for his order. */
export interface ToldFinal {
  readonly orderId: string;
  readonly state: OrderState;
  readonly atMs: number;
}

/** Everything but id and state is null in a tombstone. */
export interface OrderRow {
  readonly orderId: string;
  readonly seq: number;
  readonly sku: string | null;
  readonly buyer: string | null;
  readonly requestId: string | null;
  readonly quantity: number | null;
  readonly cents: number | null;
  readonly chunk: string | null;
  readonly state: OrderState;
  readonly because: string | null;
  readonly placedAtMs: number;
  readonly expiresAtMs: number | null;
  readonly endedAtMs: number | null;
}

export interface OrderEventRow {
  readonly orderId: string;
  readonly atMs: number;
  readonly what: string;
}

export interface AllowanceRow {
  readonly sku: string;
  readonly buyer: string;
  readonly units: number;
}

export interface ItemRow {
  readonly sku: string;
  readonly initial: number;
  readonly free: number;
}

export interface ChunkRow {
  readonly id: string;
  readonly sku: string;
  /** Where it was leased by an earlier process of that name, the name says so. */
  readonly gateway: string;
  readonly leased: number;
  readonly reserved: number;
  readonly returned: number;
  readonly state: "open" | "closing" | "closed";
}

export interface HoldRow {
  readonly orderId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly chunk: string | null;
  readonly state: "held" | "sold" | "released" | "restocked";
}

export type StockAccount = "outside" | "free" | "chunk" | "held" | "sold";

export interface MovementRow {
  readonly id: number;
  readonly sku: string;
  readonly reference: string;
  readonly source: StockAccount;
  readonly target: StockAccount;
  readonly units: number;
  readonly atMs: number;
}

export interface PaymentRow {
  readonly orderId: string;
  readonly buyer: string;
  readonly cents: number;
  readonly capture: "at-once" | "later";
  readonly state: "requested" | "authorised" | "captured" | "declined" | "voided" | "refund-due" | "refunded";
  readonly errand: "request" | "capture" | "void" | "refund" | null;
  readonly changedAtMs: number;
}

/** A buyer's account is `buyer:<name>`, every other one is the shop's. A capture takes from the first and gives to the second. */
export interface PostingRow {
  readonly id: number;
  readonly orderId: string;
  readonly entry: "capture" | "refund";
  readonly account: string;
  readonly cents: number;
}

/** `key` is the order's id, or begins with it: `<order id>:…`. */
export interface Charge {
  readonly key: string;
  readonly cents: number;
  readonly state: "pending" | "authorised" | "captured" | "declined" | "voided" | "refunded";
}

export interface JournalLeftovers {
  readonly database: string;
  /** Begun and not ended; a parked one is not ended either. */
  readonly open: number;
  readonly parked: number;
}

export interface MailboxLeftovers {
  readonly database: string;
  readonly subscription: string;
  /** Not yet read, or to be tried again. */
  readonly waiting: number;
  /** For a person to decide. */
  readonly parked: number;
}

export interface TransactionRow {
  readonly gid: string;
  /** By a coordinator, with entries in the journal; or by events, without. */
  readonly kind: "coordinated" | "choreographed";
  readonly status: "forward" | "committing" | "rolling-back" | "committed" | "rolled-back" | "mixed" | "never-started";
  /** Of whoever wrote it last; it rises when another takes it over. 0 where nobody owns it. */
  readonly epoch: number;
  /** The number of its last entry. */
  readonly seq: number;
  readonly pruned: boolean;
  readonly endedAtMs: number | null;
}

export type Op = "action" | "compensate" | "try" | "confirm" | "cancel" | "wake";

/** One flush of one transaction; the first one, with which it began, has number 1. */
export interface EntryRow {
  readonly gid: string;
  readonly seq: number;
  /** 0 of the first one, whose epoch is not kept. */
  readonly epoch: number;
  /** Null of the first one. */
  readonly owner: string | null;
  readonly events: readonly JournalEvent[];
}

/** What the judges need of an event; what it has not is null. */
export interface JournalEvent {
  readonly kind: string;
  readonly branch: string | null;
  readonly op: Op | null;
  /** Of `registered`. */
  readonly offer: "step" | "pivot" | "tcc" | "sql" | "timer" | null;
  readonly undo: "nothing" | "closure" | "target" | null;
}

export interface BarrierRow {
  readonly database: string;
  readonly gid: string;
  readonly branch: string;
  /** 1: action or try. 2: what followed the decision. */
  readonly phase: 1 | 2;
  readonly op: Op;
  /** `done`: the effect stands. `tombstone`: undone before it came. `empty`: an undo that found nothing to undo. */
  readonly state: "claimed" | "done" | "refused" | "tombstone" | "empty";
  /** Of the coordinator whose call came first; null where there is none. */
  readonly epoch: number | null;
}

export interface MessageRow {
  readonly database: string;
  /** Ascending in the order in which messages of a key were written. */
  readonly seq: number;
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** It failed, and waits to be tried again or for a person, or a person has given it up. */
  readonly setAside: boolean;
}

/** A message that a consumer has taken in, in the transaction of its effect. */
export interface DeliveryRow {
  readonly database: string;
  readonly consumer: string;
  /** The outbox that it came from. */
  readonly source: string;
  readonly id: string;
  /** Of that transaction: of two that do not overlap, the later one has the larger. */
  readonly transactionId: number;
}

/** One violation. `key` names the order, request, sale or buyer that it is about. */
export interface Finding {
  readonly kind: string;
  readonly key: string;
  readonly detail: string;
  readonly units: number;
  readonly cents: number;
  /** When the client was told, where that is known. */
  readonly atMs?: number;
}

export interface Tally {
  readonly violations: number;
  readonly units: number;
  readonly cents: number;
}

export interface Counts extends Tally {
  /** What was looked at. */
  readonly checked: number;
  readonly kinds: Readonly<Record<string, Tally>>;
  /** Figures that are no violations. */
  readonly noted: Readonly<Record<string, number>>;
  /** The earliest of the violations whose time is known. */
  readonly oldestAtMs: number | null;
}

/**
 * `unknown` is no kind of valid: something was not read, or there was nothing to look at. Neither is `not-applicable`: a mode that has no
 * such thing leaves no trace of it, and nobody has judged it.
 */
export type Verdict =
  | { readonly checker: string; readonly verdict: "valid"; readonly counts: Counts }
  | { readonly checker: string; readonly verdict: "invalid"; readonly counts: Counts; readonly first: Finding; readonly worst: Finding; readonly examples: readonly Finding[] }
  | { readonly checker: string; readonly verdict: "unknown" | "not-applicable"; readonly counts: Counts; readonly why: string };

export interface Checker {
  readonly name: string;
  check(evidence: Evidence): Verdict;
}
