/** The platform in miniature: three databases, a provider, and what the buyers were told. */
import type { DeliveryRow, Evidence, JournalLeftovers, MessageRow, Operation, OrderState } from "../../checkers/checker.ts";
import { isFinal } from "../../checkers/joins.ts";
import { inSnapshot, interning, type DatabaseName, type Snapshot } from "../../evidence/snapshot.ts";
import { readOrders, readPayment, readStock } from "../../evidence/tables.ts";
import { tryUnit } from "./barrier.ts";
import type { Databases, Session } from "./databases.ts";
import { orderNamed, SKU, type Answer, type Order } from "./order.ts";
import { end, openSale, place, stateOf } from "./orders.ts";
import { capture, decline, Provider } from "./payment.ts";
import { putOnOffer, releaseUnit, sellUnit } from "./stock.ts";

const ROWS_MAX = 10_000;

export class Shop {
  readonly databases: Databases;
  readonly provider = new Provider();
  readonly #operations: Operation[] = [];
  #timeMs = 0;

  constructor(databases: Databases) {
    this.databases = databases;
  }

  /** Puts units on sale and sells one of them without any trouble, so that every judge has something to look at. */
  async open(units: number): Promise<void> {
    await openSale(this.databases.orders, units + 1);
    await putOnOffer(this.databases.stock, units + 1);
    const first = orderNamed("o0");
    await this.place(first);
    await this.inStock((session) => tryUnit(session, first));
    await this.fulfil(first);
  }

  /** The buyer is told that his order stands, once it does. */
  async place(order: Order, within: (session: Session) => Promise<void> = async () => undefined): Promise<void> {
    await this.databases.orders.transaction(async (session) => {
      if (await place(session, order)) await within(session);
    });
    this.told(order, "accepted");
  }

  told({ orderId, buyer, requestId }: Order, outcome: Operation["outcome"], evidence: string = outcome): void {
    this.#timeMs += 1;
    const named = outcome === "accepted" || outcome === "info" ? { orderId } : {};
    this.#operations.push({ sku: SKU, ...named, requestId, buyer, quantity: 1, intentMs: this.#timeMs, completedMs: this.#timeMs, outcome, evidence });
  }

  inStock<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.databases.stock.transaction(work);
  }

  /** Each of the following may be called again. */
  pay(order: Order): Promise<Answer> {
    return this.databases.payment.transaction((session) => capture(session, this.provider, order));
  }

  decline(order: Order): Promise<Answer> {
    return this.databases.payment.transaction((session) => decline(session, order));
  }

  sell(order: Order): Promise<Answer> {
    return this.inStock((session) => sellUnit(session, order));
  }

  release(order: Order): Promise<Answer> {
    return this.inStock((session) => releaseUnit(session, order));
  }

  end(order: Order, state: OrderState): Promise<void> {
    return this.databases.orders.transaction((session) => end(session, order, state));
  }

  /** What is left to do once the unit is held. */
  async fulfil(order: Order): Promise<void> {
    await this.pay(order);
    await this.sell(order);
    await this.end(order, "paid");
  }

  /** The buyers ask for their orders, and then everything is read with SQL of the lab's own. */
  async evidence(): Promise<Evidence> {
    const finals = [];
    for (const { orderId } of this.#operations) {
      const state = orderId === undefined ? undefined : await stateOf(this.databases.orders, orderNamed(orderId));
      if (orderId !== undefined && state !== undefined && isFinal(state)) finals.push({ orderId, state, atMs: (this.#timeMs += 1) });
    }
    const read = <Part>(name: DatabaseName, look: (snapshot: Snapshot) => Promise<Part>): Promise<Part> => inSnapshot(name, this.databases[name].url, { rowsMax: ROWS_MAX, intern: interning() }, look);
    const journals = await this.databases.orders.rows<JournalLeftovers>("select 'orders' as database, count(*) filter (where not ended)::int as open, 0 as parked from journal having count(*) > 0");
    return {
      historyIsWhole: true, operations: this.#operations, finals, ...(await read("orders", readOrders)), ...(await read("stock", (snapshot) => readStock(snapshot))), ...(await read("payment", readPayment)),
      charges: this.provider.book, journals, mailboxes: [], livingGateways: [], transactions: [], entries: [], barriers: [], ...(await this.#mail()),
    };
  }

  /** The miniature's outbox and inbox, as they would be in tripact's tables. */
  async #mail(): Promise<Pick<Evidence, "messages" | "deliveries">> {
    const messages = await this.databases.orders.rows<MessageRow>("select 'orders' as database, id::float8 as seq, id::text as id, 'order.placed' as topic, order_id as key, false as \"setAside\" from outbox order by id");
    const deliveries = await this.databases.stock.rows<DeliveryRow>("select 'stock' as database, 'stock' as consumer, 'orders' as source, message_id::text as id, xmin::text::float8 as \"transactionId\" from inbox");
    return { messages, deliveries };
  }
}
