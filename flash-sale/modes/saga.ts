/**
 * The purchase as a saga: one step after the other, each with its undo. Selling is the pivot: until then a refusal, the deadline or the buyer
 * takes everything back, from then on there is only forward.
 */
import { Refused, saga as define } from "tripact";
import { httpParticipant } from "tripact/http";
import type { Bill, Order, Reservation } from "../contracts.ts";
import { paid } from "../orders/ledger.ts";
import { bill, billing, callOff } from "../payment/ledger.ts";
import { release, reserve, reserving, restock, sell, selling } from "../stock/ledger.ts";
import { behind, behindInOne, participantsAt } from "./coordinated/behind.ts";
import { runCoordinator, type OfOrder } from "./coordinated/host.ts";
import { tellOrders } from "./coordinated/tell-orders.ts";
import { closingRefused, untilAnswered } from "./coordinated/waiting.ts";
import { pruneBarrier, pruning } from "./messages/pruning.ts";
import type { Mode, ServiceSide } from "./mode.ts";

export const saga: Mode = {
  name: "saga",

  async orders(side) {
    const { stock, payment } = participantsOf(side);

    const purchase = define("purchase", async (tx, { orderId, sku, quantity, chunk, buyer, cents }: Order) => {
      await closingRefused(tx, orderId, async () => {
        await tx.step("reserve", stock.reserve, { orderId, sku, quantity, chunk });
        await tx.step("pay", payment.pay, { orderId, buyer, cents });
      });
      await tx.pivot("sell", stock.sell, { orderId });
      await tx.sql("paid", (db) => paid(db, orderId), { undo: "nothing" });
      return null;
    });

    const participants = [stock.reserve, stock.sell, payment.pay];
    return runCoordinator(side, { purchase, waiting: "pay", participants, restock: stock.restock, repay: payment.repay });
  },

  stock(side) {
    const { open } = side;
    const reserveUnits = behindInOne<Reservation & OfOrder>(
      side,
      ({ orderId, ...reservation }) => reserving(orderId, reservation),
      async (db, { orderId, ...reservation }) => {
        if ((await reserve(db, orderId, reservation)) === "sold-out") throw new Refused("sold-out");
      },
    );
    const sellUnits = behindInOne<OfOrder>(side, ({ orderId }) => selling(orderId), (db, { orderId }) => sell(db, orderId));
    const releaseUnits = behind<OfOrder>(open, (db, { orderId }) => release(db, orderId));
    return {
      at: {
        "/saga/": participantsAt(side, {
          "/saga/reserve": { action: reserveUnits, compensate: releaseUnits },
          "/saga/sell": { action: sellUnits },
          "/saga/restock": { action: behind<OfOrder>(open, (db, { orderId }) => restock(db, orderId)) },
        }),
      },
      stop: pruning(open, [pruneBarrier], side),
    };
  },

  payment(side) {
    const { open } = side;
    const billBuyer = behindInOne<Bill & OfOrder>(
      side,
      ({ orderId, ...asked }) => billing(orderId, asked, "at-once"),
      (db, { orderId, ...asked }) => bill(db, orderId, asked, "at-once"),
    );
    const callItOff = behind<OfOrder>(open, (db, { orderId }) => callOff(db, orderId));
    return {
      at: {
        "/saga/": participantsAt(side, {
          // Billed behind the barrier, in a commit of its own; the answer is waited for outside of it.
          "/saga/pay": { action: (call) => untilAnswered(side, call, async () => billBuyer(call)), compensate: callItOff },
          "/saga/repay": { action: callItOff },
        }),
      },
      ...tellOrders(side, pruning(open, [pruneBarrier], side)),
    };
  },
};

function participantsOf({ addresses, secret }: ServiceSide) {
  const at = <In>(origin: string, name: string) => httpParticipant<In>({ kind: "saga", name, url: `${origin}/saga/${name}`, secret });
  return {
    stock: {
      reserve: at<Reservation & OfOrder>(addresses.stock, "reserve"),
      sell: at<OfOrder>(addresses.stock, "sell"),
      restock: at<OfOrder>(addresses.stock, "restock"),
    },
    payment: { pay: at<Bill & OfOrder>(addresses.payment, "pay"), repay: at<OfOrder>(addresses.payment, "repay") },
  };
}
