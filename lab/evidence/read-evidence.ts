/** Everything that is known of a sale once it is at rest: what the client heard, and what three databases and the provider say. */
import type { Evidence, JournalLeftovers, MailboxLeftovers, SaleTerms } from "../checkers/checker.ts";
import { journalOf, mailboxesOf } from "./leftovers.ts";
import { readProtocol, together, type ProtocolRows } from "./protocol-tables.ts";
import { readBook, type ProviderAddress } from "./provider-book.ts";
import { EvidenceError, inSnapshot, interning, type DatabaseName, type Snapshot } from "./snapshot.ts";
import { readOrders, readPayment, readStock } from "./tables.ts";

/** Connection strings. */
export type Databases = Readonly<Record<DatabaseName, string>>;

export interface Platform {
  readonly databases: Databases;
  /** Left out where his book is not to be had. */
  readonly provider?: ProviderAddress;
}

export type Heard = Pick<Evidence, "operations" | "finals" | "historyIsWhole">;

export interface ReadingOptions {
  readonly livingGateways: readonly string[];
  /** When the present processes of those names began, by the wall clock: an older chunk is not theirs. Default: from the beginning. */
  readonly gatewaysSinceMs?: number;
  /** What was asked to be put on sale; otherwise it is what the orders' database says was. */
  readonly sales?: readonly SaleTerms[];
  /** Of one table or book, beyond which the reading ends with `too-large`. Default 5,000,000. */
  readonly rowsMax?: number;
}

const ROWS_MAX = 5_000_000;

/** Of a platform of which nothing could be read: no judge can say anything of it. */
export const NOTHING_READ: Evidence = {
  sales: null, historyIsWhole: false, operations: null, finals: null, orders: null, events: null, allowances: null, items: null, chunks: null, holds: null, movements: null,
  payments: null, postings: null, charges: null, journals: null, mailboxes: null, transactions: null, entries: null, barriers: null, messages: null, deliveries: null, livingGateways: [],
};

/**
 * One snapshot a database. The three are not of the same moment, so this is for a sale at rest (`untilQuiet`). A table that is not there
 * is `null` in the evidence.
 * @throws EvidenceError where a database or the provider could not be read.
 */
export async function readEvidence({ databases, provider }: Platform, heard: Heard, { livingGateways, gatewaysSinceMs = 0, sales, rowsMax = ROWS_MAX }: ReadingOptions): Promise<Evidence> {
  if (!Number.isSafeInteger(rowsMax) || rowsMax < 1) throw new EvidenceError("invalid-input", "rowsMax", "a whole number from 1 is needed");
  const options = { rowsMax, intern: interning() };
  const journals: JournalLeftovers[] = [];
  const mailboxes: MailboxLeftovers[] = [];
  const protocol: ProtocolRows[] = [];
  const look = <Part>(name: DatabaseName, read: (snapshot: Snapshot) => Promise<Part>): Promise<Part> =>
    inSnapshot(name, databases[name], options, async (snapshot) => {
      const part = await read(snapshot);
      const journal = await journalOf(snapshot);
      if (journal !== undefined) journals.push(journal);
      mailboxes.push(...(await mailboxesOf(snapshot)));
      protocol.push(await readProtocol(snapshot));
      return part;
    });
  // One after the other: each holds a page, and a snapshot no longer than it is read.
  const orders = await look("orders", readOrders);
  const stock = await look("stock", (snapshot) => readStock(snapshot, gatewaysSinceMs));
  const payment = await look("payment", readPayment);
  const charges = provider === undefined ? null : await readBook(provider, options);
  return { ...heard, ...orders, ...stock, ...payment, ...together(protocol), charges, journals, mailboxes, livingGateways, ...(sales === undefined ? {} : { sales }) };
}
