/** Another company's payment service: a door, charges in memory, callbacks. It forgets everything when it ends. */
import type { FastifyInstance } from "fastify";
import type { ProviderDoor } from "../contracts.ts";
import { openDoor, type Answers } from "../service/door.ts";
import { Callbacks } from "./callbacks.ts";
import { Charges, type Course, type Habits } from "./charges.ts";

export interface ProviderOptions {
  readonly habits: Habits;
  /** What callers show. */
  readonly key: string;
  readonly callbackSecret: string;
  readonly onError: (error: unknown) => void;
}

export interface Provider {
  readonly app: FastifyInstance;
  /** Callbacks that were not taken yet. */
  readonly openCallbacks: number;
  stop(): Promise<void>;
}

export function openProvider({ habits, key, callbackSecret, onError }: ProviderOptions): Provider {
  const charges = new Charges(habits);
  const callbacks = new Callbacks({ secret: callbackSecret, onError });
  const timers = new Set<NodeJS.Timeout>();

  function follow(chargeKey: string, { decideAfterMs, tellAfterMs, times }: Course): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      const decision = charges.decide(chargeKey);
      if (decision === undefined) return;
      const { callbackUrl: url, state } = decision;
      for (let time = 0; time < times; time += 1) callbacks.send({ url, body: { key: chargeKey, state } }, tellAfterMs);
    }, decideAfterMs);
    timers.add(timer);
  }

  return {
    app: openDoor<ProviderDoor>(answersOf(charges, follow), { token: key, onError }),
    get openCallbacks() {
      return callbacks.open;
    },
    async stop() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      await callbacks.stop();
    },
  };
}

const KEY = { type: "string", minLength: 1, maxLength: 200 };
const BY_KEY = { type: "object", additionalProperties: false, required: ["key"], properties: { key: KEY } };
const CENTS_MAX = 2_147_483_647;

function answersOf(charges: Charges, follow: (key: string, course: Course) => void): Answers<ProviderDoor> {
  return {
    "/charges/request": {
      schema: {
        type: "object",
        additionalProperties: false,
        required: ["key", "buyer", "cents", "capture", "callbackUrl"],
        properties: {
          key: KEY,
          buyer: { type: "string", minLength: 1, maxLength: 200 },
          cents: { type: "integer", minimum: 0, maximum: CENTS_MAX },
          capture: { enum: ["at-once", "later"] },
          callbackUrl: { type: "string", pattern: "^https?://", maxLength: 2_000 },
        },
      },
      answer: async (asked) => {
        const { charge, course } = charges.request(asked);
        if (course !== undefined) follow(asked.key, course);
        return charge;
      },
    },
    "/charges/lookup": { schema: BY_KEY, answer: async ({ key }) => charges.lookup(key) },
    "/charges/capture": { schema: BY_KEY, answer: async ({ key }) => charges.capture(key) },
    "/charges/void": { schema: BY_KEY, answer: async ({ key }) => charges.void(key) },
    "/charges/refund": { schema: BY_KEY, answer: async ({ key }) => charges.refund(key) },
    "/charges/book": {
      schema: { type: "object", additionalProperties: false, required: ["after"], properties: { after: { type: "integer", minimum: 0 } } },
      answer: async ({ after }) => charges.page(after),
    },
  };
}
