/**
 * The port of a mode: how one purchase is made across orders, stock and payment. A mode is one file, with the part of each service in it, so
 * that the recipe can be read from top to bottom. What the services do to their tables is the same in all of them (`ledger.ts` of each).
 */
import type { RequestListener } from "node:http";
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import type { Waker } from "tripact/outbox";
import type { SubscriptionOptions } from "tripact/relay";
import type { ModeName, Order, PaymentSettled } from "../contracts.ts";
import type { Addresses, Durability } from "../service/settings.ts";

export interface Mode {
  readonly name: ModeName;
  /** In each purchase worker. */
  orders(side: OrdersSide): Promise<OrdersPart>;
  stock(side: ServiceSide): ServicePart;
  payment(side: PaymentSide): PaymentPart;
  /** What the relays carry, by the outbox it comes from; only for modes that talk in messages. */
  readonly messages?: (addresses: Addresses, secret: string) => Readonly<Record<Outbox, readonly SubscriptionOptions[]>>;
}

export type Outbox = "orders" | "stock" | "payment";

/** What every service gives its part. */
export interface ServiceSide {
  /** A transaction of this service's own database; where the mode sends messages, it wakes the relays after its commit. */
  readonly open: OpenTransaction;
  /** Each statement a commit of its own. */
  readonly db: SqlExecutor;
  readonly addresses: Addresses;
  /** Signs and checks what services call each other with. */
  readonly secret: string;
  readonly onError: (error: unknown) => void;
}

export interface PaymentSide extends ServiceSide {
  /** What the provider says of this order here within `waitMs`; undefined if he says nothing. */
  waitFor(orderId: string, waitMs: number): Promise<PaymentSettled | undefined>;
}

export interface OrdersSide extends ServiceSide {
  readonly databaseUrl: string;
  /** Names this worker, in the journal and in errors. */
  readonly worker: string;
  /** What an accepted order survives. */
  readonly durability: Durability;
}

export interface ServicePart {
  /** By path prefix: what this service answers to the others in this mode. */
  readonly at: Readonly<Record<string, RequestListener>>;
  stop?(): Promise<void>;
}

export interface PaymentPart extends ServicePart {
  /** The provider's answer, in the very transaction that records it. */
  settledIn?(db: SqlExecutor, settled: PaymentSettled): Promise<void>;
  /** After its commit; may be lost, so whoever waits asks as well. */
  settled?(settled: PaymentSettled): Promise<void>;
}

export interface OrdersPart extends ServicePart {
  /** Starts the purchase in the transaction that places the order: it is under way if, and only if, that commits. */
  beginIn?(db: SqlExecutor, order: Order): Promise<void>;
  /** Hears how each transaction ended in which purchases were begun. */
  readonly waker?: Waker;
  /** After that commit. */
  begun?(order: Order): void;
  /** Asks for the roll back of an order that is not paid; who wins is seen in its state. */
  cancel(orderId: string): Promise<void>;
  /** Gives back a paid order's units and money; begun once, whoever asks. */
  refund(orderId: string): Promise<void>;
  /** The payment has heard from the provider. */
  settled?(settled: PaymentSettled): Promise<void>;
  /** Looks after orders whose payment window has passed, where no coordinator does. Called every half second. */
  sweep?(): Promise<void>;
  /** What the mode itself knows of the way so far. */
  timeline?(orderId: string): Promise<readonly { readonly at: number; readonly what: string }[]>;
  /** True when new purchases may come. */
  ready?(): boolean;
}
