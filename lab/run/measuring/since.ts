/**
 * Sale follows sale on one platform, and its databases remember them all. What was wrong in an earlier one must not be counted again in this
 * one, so rows of orders that were known before it, and of other sales, are left out.
 */
import type { Evidence, JournalLeftovers, MailboxLeftovers } from "../../checkers/checker.ts";

export interface Earlier {
  readonly orderIds: ReadonlySet<string>;
  readonly journals: readonly JournalLeftovers[];
  readonly mailboxes: readonly MailboxLeftovers[];
  /** Of transactions, and ids of messages. */
  readonly gids: ReadonlySet<string>;
  readonly messageIds: ReadonlySet<string>;
}

export const NOTHING_EARLIER: Earlier = { orderIds: new Set(), journals: [], mailboxes: [], gids: new Set(), messageIds: new Set() };

/** What the next sale's evidence is to leave out. */
export function earlierOf({ orders, holds, payments, events, journals, mailboxes, transactions, barriers, messages, deliveries }: Evidence): Earlier {
  const ids = [orders, holds, payments, events].flatMap((rows) => (rows ?? []).map(({ orderId }) => orderId));
  const gids = [transactions, barriers].flatMap((rows) => (rows ?? []).map(({ gid }) => gid));
  const messageIds = [messages, deliveries].flatMap((rows) => (rows ?? []).map(({ id }) => id));
  return { orderIds: new Set(ids), journals: journals ?? [], mailboxes: mailboxes ?? [], gids: new Set(gids), messageIds: new Set(messageIds) };
}

export function since(evidence: Evidence, sku: string, earlier: Earlier): Evidence {
  const isNew = ({ orderId }: { readonly orderId: string }): boolean => !earlier.orderIds.has(orderId);
  const isNewTransaction = ({ gid }: { readonly gid: string }): boolean => !earlier.gids.has(gid);
  const isNewMessage = ({ id }: { readonly id: string }): boolean => !earlier.messageIds.has(id);
  const isOurs = (row: { readonly sku: string | null }): boolean => row.sku === sku;
  const kept = <Row>(rows: readonly Row[] | null, keep: (row: Row) => boolean): readonly Row[] | null => rows?.filter(keep) ?? null;
  return {
    ...evidence,
    sales: kept(evidence.sales, isOurs),
    operations: kept(evidence.operations, (operation) => operation.sku === sku),
    finals: kept(evidence.finals, isNew),
    orders: kept(evidence.orders, isNew),
    events: kept(evidence.events, isNew),
    allowances: kept(evidence.allowances, isOurs),
    items: kept(evidence.items, isOurs),
    chunks: kept(evidence.chunks, isOurs),
    holds: kept(evidence.holds, isOurs),
    movements: kept(evidence.movements, isOurs),
    payments: kept(evidence.payments, isNew),
    postings: kept(evidence.postings, isNew),
    // An order's id, or what begins with it.
    charges: kept(evidence.charges, ({ key }) => !earlier.orderIds.has(key.split(":")[0] ?? key)),
    transactions: kept(evidence.transactions, isNewTransaction),
    entries: kept(evidence.entries, isNewTransaction),
    barriers: kept(evidence.barriers, isNewTransaction),
    messages: kept(evidence.messages, isNewMessage),
    deliveries: kept(evidence.deliveries, isNewMessage),
    journals: evidence.journals?.map((now) => {
      const before = earlier.journals.find(({ database }) => database === now.database);
      return { ...now, open: Math.max(0, now.open - (before?.open ?? 0)), parked: Math.max(0, now.parked - (before?.parked ?? 0)) };
    }) ?? null,
    mailboxes: evidence.mailboxes?.map((now) => {
      const before = earlier.mailboxes.find(({ database, subscription }) => database === now.database && subscription === now.subscription);
      return { ...now, waiting: Math.max(0, now.waiting - (before?.waiting ?? 0)), parked: Math.max(0, now.parked - (before?.parked ?? 0)) };
    }) ?? null,
  };
}
