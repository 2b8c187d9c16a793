/** The payment tells a purchase worker what the provider has said; whoever drives the purchase gets it from there. */
import type { OrdersDoor, PaymentSettled } from "../../contracts.ts";
import { askingAny } from "../../service/ask.ts";
import type { ServiceSide } from "../mode.ts";

/** @param alsoStops what else of this service's part ends with it */
export function tellOrders({ addresses, secret }: ServiceSide, alsoStops: () => Promise<void> = async () => undefined): { settled(settled: PaymentSettled): Promise<void>; stop(): Promise<void> } {
  const orders = askingAny<OrdersDoor>(addresses.orders, secret);
  return {
    settled: async (settled) => void (await orders.ask("/orders/payment-settled", settled)),
    stop: async () => {
      await alsoStops();
      await orders.close();
    },
  };
}
