/**
 * The control: plain calls, one after the other, and a `catch` that gives everything back. It is what one writes first, and it works until a
 * process dies in the middle, an answer gets lost, or a time-out is read as a no. The lab must see it lose.
 */
import type { Bill, Order, OrdersDoor, Reservation } from "../contracts.ts";
import { because, beginRefund, close, paid, refunded, type Because } from "../orders/ledger.ts";
import { bill, callOff } from "../payment/ledger.ts";
import { asking } from "../service/ask.ts";
import { openDoor, type Answers, type Questions } from "../service/door.ts";
import { release, reserve, restock, sell } from "../stock/ledger.ts";
import type { Mode, OrdersPart, OrdersSide, ServicePart, ServiceSide } from "./mode.ts";

type OfOrder = { readonly orderId: string };
type Nothing = { readonly kind: "done" };

interface NaiveStock {
  "/naive/reserve": { readonly asks: Reservation & OfOrder; readonly answers: { readonly kind: "held" | "sold-out" } };
  "/naive/release": { readonly asks: OfOrder; readonly answers: Nothing };
  "/naive/sell": { readonly asks: OfOrder; readonly answers: Nothing };
  "/naive/restock": { readonly asks: OfOrder; readonly answers: Nothing };
}
interface NaivePayment {
  "/naive/bill": { readonly asks: Bill & OfOrder; readonly answers: Nothing };
  "/naive/call-off": { readonly asks: OfOrder; readonly answers: Nothing };
}

export const naive: Mode = {
  name: "naive",

  async orders(side) {
    const stock = asking<NaiveStock>(side.addresses.stock, side.secret);
    const payment = asking<NaivePayment>(side.addresses.payment, side.secret);
    const answers = new Waiting();

    const buy = async ({ orderId, sku, quantity, chunk, buyer, cents, paymentWindowMs }: Order): Promise<void> => {
      const answered = answers.of(orderId, paymentWindowMs);
      try {
        if ((await stock.ask("/naive/reserve", { orderId, sku, quantity, chunk })).kind === "sold-out") return await closing(side, orderId, "sold-out");
        await payment.ask("/naive/bill", { orderId, buyer, cents });
        const outcome = await answered;
        if (outcome !== "captured") {
          await stock.ask("/naive/release", { orderId });
          await payment.ask("/naive/call-off", { orderId });
          return await closing(side, orderId, outcome);
        }
        await stock.ask("/naive/sell", { orderId });
        await side.open((db) => paid(db, orderId));
      } catch (error) {
        side.onError(error);
        // Whatever it was, everything goes back: each of these may fail as well, and nobody will know.
        await stock.ask("/naive/release", { orderId }).catch(side.onError);
        await payment.ask("/naive/call-off", { orderId }).catch(side.onError);
        await closing(side, orderId, "failed").catch(side.onError);
      } finally {
        answers.forget(orderId);
      }
    };

    const part: OrdersPart = {
      at: {},
      begun: (order) => void buy(order),
      settled: async ({ orderId, outcome }) => answers.tell(orderId, outcome === "declined" ? "declined" : "captured"),
      cancel: async (orderId) => answers.tell(orderId, "cancelled"),
      refund: async (orderId) => {
        if (!(await side.open((db) => beginRefund(db, orderId)))) return;
        await stock.ask("/naive/restock", { orderId });
        await payment.ask("/naive/call-off", { orderId });
        await side.open((db) => refunded(db, orderId));
      },
      stop: async () => {
        answers.forgetAll();
        await Promise.all([stock.close(), payment.close()]);
      },
    };
    return part;
  },

  stock(side) {
    const { open } = side;
    const reserveIn: Answers<NaiveStock>["/naive/reserve"] = {
      schema: ofOrder({ sku: text, quantity: { type: "integer", minimum: 1 }, chunk: { type: ["string", "null"] } }),
      answer: ({ orderId, ...reservation }) => open(async (db) => ({ kind: await reserve(db, orderId, reservation) })),
    };
    return doorAt<NaiveStock>(side, {
      "/naive/reserve": reserveIn,
      "/naive/release": { schema: ofOrder(), answer: ({ orderId }) => open(async (db) => done(await release(db, orderId))) },
      "/naive/sell": { schema: ofOrder(), answer: ({ orderId }) => open(async (db) => done(await sell(db, orderId))) },
      "/naive/restock": { schema: ofOrder(), answer: ({ orderId }) => open(async (db) => done(await restock(db, orderId))) },
    });
  },

  payment(side) {
    const { open } = side;
    // Whichever worker waits for it.
    const workers = side.addresses.orders.map((origin) => asking<OrdersDoor>(origin, side.secret));
    return {
      ...doorAt<NaivePayment>(side, {
        "/naive/bill": {
          schema: ofOrder({ buyer: text, cents: { type: "integer", minimum: 0 } }),
          answer: ({ orderId, ...asked }) => open(async (db) => done(await bill(db, orderId, asked, "at-once"))),
        },
        "/naive/call-off": { schema: ofOrder(), answer: ({ orderId }) => open(async (db) => done(await callOff(db, orderId))) },
      }),
      settled: async (settled) => void (await Promise.allSettled(workers.map((worker) => worker.ask("/orders/payment-settled", settled)))),
      stop: async () => void (await Promise.all(workers.map((worker) => worker.close()))),
    };
  },
};

async function closing(side: OrdersSide, orderId: string, why: Because): Promise<void> {
  await side.open(async (db) => {
    await because(db, orderId, why);
    await close(db, orderId);
  });
}

type Heard = "captured" | "declined" | "cancelled" | "expired";

/** Who waits for the provider, in this process's memory. A kill forgets them all. */
class Waiting {
  readonly #waiting = new Map<string, (heard: Heard) => void>();

  of(orderId: string, patienceMs: number): Promise<Heard> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.tell(orderId, "expired"), patienceMs);
      this.#waiting.set(orderId, (heard) => {
        clearTimeout(timer);
        resolve(heard);
      });
    });
  }

  tell(orderId: string, heard: Heard): void {
    this.#waiting.get(orderId)?.(heard);
  }

  forget(orderId: string): void {
    this.tell(orderId, "expired");
    this.#waiting.delete(orderId);
  }

  forgetAll(): void {
    for (const orderId of this.#waiting.keys()) this.forget(orderId);
  }
}

const text = { type: "string", minLength: 1, maxLength: 200 };

function ofOrder(more: Readonly<Record<string, object>> = {}): object {
  const properties = { orderId: text, ...more };
  return { type: "object", additionalProperties: false, required: Object.keys(properties), properties };
}

function done(_: unknown): Nothing {
  return { kind: "done" };
}

function doorAt<Door extends Questions<Door>>({ secret, onError }: ServiceSide, answers: Answers<Door>): ServicePart {
  const app = openDoor<Door>(answers, { token: secret, onError });
  const opened = app.ready();
  return { at: { "/naive/": (request, response) => void opened.then(() => app.routing(request, response)) }, stop: () => app.close() };
}
