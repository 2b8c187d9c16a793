/**
 * The purchase by try, confirm and cancel: order, stock and payment set something aside side by side; when all three have, and the provider
 * has authorised the money, one decision confirms or cancels them all. Until then nothing has been given away that could not be kept.
 */
import { participant, Refused, saga as define } from "tripact";
import { httpParticipant } from "tripact/http";
import type { Bill, Order, Reservation } from "../contracts.ts";
import { close, paid } from "../orders/ledger.ts";
import { bill, billing, callOff, capture, capturing, payBack } from "../payment/ledger.ts";
import { release, reserve, reserving, restock, sell, selling } from "../stock/ledger.ts";
import { behind, behindInOne, participantsAt } from "./coordinated/behind.ts";
import { runCoordinator, type OfOrder } from "./coordinated/host.ts";
import { tellOrders } from "./coordinated/tell-orders.ts";
import { closingRefused, untilAnswered } from "./coordinated/waiting.ts";
import { pruneBarrier, pruning } from "./messages/pruning.ts";
import type { Mode, OrdersSide } from "./mode.ts";

export const tcc: Mode = {
  name: "tcc",

  async orders(side) {
    const { order, stock, payment, restock: restocking, repay } = participantsOf(side);

    const purchase = define("purchase-by-tcc", async (tx, { orderId, sku, quantity, chunk, buyer, cents }: Order) => {
      await closingRefused(tx, orderId, async () => {
        await Promise.all([
          tx.tcc("order", order, { orderId }),
          tx.tcc("stock", stock, { orderId, sku, quantity, chunk }),
          tx.tcc("payment", payment, { orderId, buyer, cents }),
        ]);
      });
      return null;
    });

    return runCoordinator(side, { purchase, waiting: "payment", participants: [order, stock, payment], restock: restocking, repay });
  },

  stock(side) {
    const { open } = side;
    return {
      at: {
        "/tcc/": participantsAt(side, {
          "/tcc/stock": {
            try: behindInOne<Reservation & OfOrder>(
              side,
              ({ orderId, ...reservation }) => reserving(orderId, reservation),
              async (db, { orderId, ...reservation }) => {
                if ((await reserve(db, orderId, reservation)) === "sold-out") throw new Refused("sold-out");
              },
            ),
            confirm: behindInOne<OfOrder>(side, ({ orderId }) => selling(orderId), (db, { orderId }) => sell(db, orderId)),
            cancel: behind<OfOrder>(open, (db, { orderId }) => release(db, orderId)),
          },
          "/tcc/restock": { action: behind<OfOrder>(open, (db, { orderId }) => restock(db, orderId)) },
        }),
      },
      stop: pruning(open, [pruneBarrier], side),
    };
  },

  payment(side) {
    const { open } = side;
    const billBuyer = behindInOne<Bill & OfOrder>(
      side,
      ({ orderId, ...asked }) => billing(orderId, asked, "later"),
      (db, { orderId, ...asked }) => bill(db, orderId, asked, "later"),
    );
    const callItOff = behind<OfOrder>(open, (db, { orderId }) => callOff(db, orderId));
    return {
      at: {
        "/tcc/": participantsAt(side, {
          "/tcc/payment": {
            try: (call) => untilAnswered(side, call, async () => billBuyer(call)),
            confirm: behindInOne<OfOrder>(side, ({ orderId }) => capturing(orderId), (db, { orderId }) => capture(db, orderId)),
            cancel: callItOff,
          },
          "/tcc/repay": { action: behind<OfOrder>(open, (db, { orderId }) => payBack(db, orderId)) },
        }),
      },
      ...tellOrders(side, pruning(open, [pruneBarrier], side)),
    };
  },
};

function participantsOf({ addresses, secret, open, db }: OrdersSide) {
  const url = (origin: string, name: string) => ({ name, url: `${origin}/tcc/${name}`, secret });
  return {
    // In the worker's own process and database. The row is there since before the start, and its state is its guard: no barrier is needed.
    order: participant<OfOrder, undefined>({
      name: "order",
      try: () => undefined,
      confirm: async (_, { orderId }) => void (await paid(db, orderId)),
      cancel: (_, { orderId }) => open((opened) => close(opened, orderId)),
    }),
    stock: httpParticipant<Reservation & OfOrder>({ kind: "tcc", ...url(addresses.stock, "stock") }),
    payment: httpParticipant<Bill & OfOrder>({ kind: "tcc", ...url(addresses.payment, "payment") }),
    restock: httpParticipant<OfOrder>({ kind: "saga", ...url(addresses.stock, "restock") }),
    repay: httpParticipant<OfOrder>({ kind: "saga", ...url(addresses.payment, "repay") }),
  };
}
