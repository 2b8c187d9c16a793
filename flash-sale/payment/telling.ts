/** One errand, told to the provider. What he answers is a fact; that he does not answer is none. */
import type { SqlExecutor } from "tripact/barrier";
import type { Charge, PaymentSettled, ProviderDoor } from "../contracts.ts";
import type { Asking } from "../service/ask.ts";
import { errandDone, refundDone, type Errand, type ErrandName } from "./errands.ts";
import type { Hearing } from "./hearing.ts";
import type { Waiters } from "./waiters.ts";

/** Both ends of an errand: our rows, and the provider. */
export interface Company {
  /** Each statement a commit of its own. */
  readonly db: SqlExecutor;
  readonly provider: Pick<Asking<ProviderDoor>, "ask">;
  readonly callbackUrl: string;
  readonly hearing: Pick<Hearing, "heard">;
  readonly echoes?: Pick<Waiters, "waitFor">;
}

/** Most answers come within this time, and clear the errand with what they say: a commit less. */
const ECHO_MS = 100;

/** True when he has done it. Throws `Unknown` or `NotTaken`, or what the database throws; then the errand is still there. */
export async function doErrand({ db, provider, callbackUrl, hearing, echoes }: Company, errand: Errand): Promise<boolean> {
  const echo = errand.name === "request" ? echoes?.waitFor(errand.orderId, ECHO_MS) : undefined;
  const told = await tell(provider, callbackUrl, errand);
  switch (told.kind) {
    case "done":
      if ((await echo) === undefined) await errandDone(db, errand);
      return true;
    case "refunded":
      await refundDone(db, errand);
      return true;
    case "heard":
      await hearing.heard(errand.orderId, told.outcome);
      return true;
    case "not-yet":
      return false;
  }
}

/** `heard`: his answer is as good as his callback. `not-yet`: he has answered, but not done it. */
type Told = { readonly kind: "done" | "refunded" } | { readonly kind: "heard"; readonly outcome: PaymentSettled["outcome"] } | { readonly kind: "not-yet"; readonly state: Charge["state"] };

/** Every question may be asked twice: the key is the order's id. */
async function tell(provider: Company["provider"], callbackUrl: string, { name, orderId: key, buyer, cents, capture }: Errand): Promise<Told> {
  if (name === "request") return READINGS.request(await provider.ask("/charges/request", { key, buyer, cents, capture, callbackUrl }));
  return READINGS[name](await provider.ask(`/charges/${name}`, { key }));
}

/** The answer to a charge that was asked for; undefined while it is pending. */
export function outcomeOf({ state }: Charge): PaymentSettled["outcome"] | undefined {
  switch (state) {
    case "pending":
      return undefined;
    case "authorised":
    case "captured":
    case "declined":
      return state;
    case "voided":
    case "refunded":
      // No money of this charge will come any more.
      return "declined";
  }
}

const READINGS: Readonly<Record<ErrandName, (charge: Charge) => Told>> = {
  request: (charge) => {
    const outcome = outcomeOf(charge);
    return outcome === undefined ? { kind: "done" } : { kind: "heard", outcome };
  },
  capture: ({ state }) => (state === "captured" ? { kind: "done" } : { kind: "not-yet", state }),
  void: ({ state }) => {
    switch (state) {
      // He will refuse it when its time comes.
      case "pending":
      case "declined":
      case "voided":
        return { kind: "done" };
      // He had it already and gave it back: that belongs in the books, as if the callback had come first.
      case "refunded":
        return { kind: "heard", outcome: "captured" };
      case "authorised":
      case "captured":
        return { kind: "not-yet", state };
    }
  },
  refund: ({ state }) => {
    switch (state) {
      case "refunded":
      // He had not captured it yet, so nothing has to come back.
      case "voided":
      case "declined":
        return { kind: "refunded" };
      case "pending":
      case "authorised":
      case "captured":
        return { kind: "not-yet", state };
    }
  },
};
