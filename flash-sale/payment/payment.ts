/** The payment service: its door, the mode's part, the provider's callbacks, and the dispatcher that talks to the provider. */
import type { Server } from "node:http";
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import type { PaymentDoor, ProviderDoor } from "../contracts.ts";
import type { Mode } from "../modes/mode.ts";
import { asking } from "../service/ask.ts";
import { openDoor, serverOf } from "../service/door.ts";
import type { Addresses } from "../service/settings.ts";
import { CALLBACK_PATH, callbackListener } from "./callback.ts";
import { Dispatcher, ERRANDS_AT_ONCE, leavingErrands, leavingErrandsAlone, type DispatcherTiming } from "./dispatcher.ts";
import { hearing } from "./hearing.ts";
import { stateOf } from "./ledger.ts";
import { Waiters } from "./waiters.ts";

export interface PaymentOptions {
  /** Each statement a commit of its own. */
  readonly db: SqlExecutor;
  readonly open: OpenTransaction;
  readonly mode: Pick<Mode, "payment">;
  readonly addresses: Addresses;
  /** What services call each other with. */
  readonly token: string;
  readonly providerKey: string;
  readonly callbackSecret: string;
  /** This service's address, as the provider sees it. */
  readonly callbackOrigin: string;
  readonly onError: (error: unknown) => void;
  readonly timing?: Partial<DispatcherTiming>;
}

export interface Payment {
  readonly server: Server;
  stop(): Promise<void>;
}

export async function openPayment(options: PaymentOptions): Promise<Payment> {
  const { db, mode, addresses, token, onError } = options;
  const provider = asking<ProviderDoor>(addresses.provider, options.providerKey, { connections: ERRANDS_AT_ONCE });
  // Commits come only after all of this is there.
  const waking = { wake: (): void => dispatcher.wake() };
  const open = leavingErrands(options.open, waking);
  const statements = leavingErrandsAlone(db, waking);
  const [waiters, echoes] = [new Waiters(), new Waiters()];
  const part = mode.payment({ open, db: statements, addresses, secret: token, onError, waitFor: (orderId, waitMs) => waiters.waitFor(orderId, waitMs) });
  // What is recorded is one statement; only a mode that says it in a message writes another beside it.
  const listening = hearing(part.settledIn === undefined ? recordingAlone(db, waking) : open, part, { waiters, echoes }, onError);
  const dispatcher = new Dispatcher({
    db,
    provider,
    callbackUrl: new URL(CALLBACK_PATH, options.callbackOrigin).href,
    hearing: listening,
    echoes,
    onError,
    ...(options.timing === undefined ? {} : { timing: options.timing }),
  });
  const app = openDoor<PaymentDoor>(
    {
      "/payment/state": {
        schema: { type: "object", additionalProperties: false, required: ["orderId"], properties: { orderId: { type: "string", minLength: 1, maxLength: 200 } } },
        answer: async ({ orderId }) => {
          const state = await stateOf(db, orderId);
          return state === undefined ? { kind: "unknown" } : { kind: "found", state };
        },
      },
    },
    { token, onError },
  );
  await app.ready();
  const callbacks = callbackListener({ secret: options.callbackSecret, hearing: listening, onError });
  dispatcher.start();
  return {
    server: serverOf(app, { ...part.at, [CALLBACK_PATH]: callbacks }),
    async stop() {
      waiters.stop();
      echoes.stop();
      await dispatcher.stop();
      await provider.close();
      await listening.stop();
      await part.stop?.();
      await app.close();
    },
  };
}

/** What is news to somebody leaves no errand. What is none may have: money that came after the call off. */
function recordingAlone(db: SqlExecutor, dispatcher: { wake(): void }): OpenTransaction {
  return async (work) => {
    const news = await work(db);
    if (news === undefined) dispatcher.wake();
    return news;
  };
}
