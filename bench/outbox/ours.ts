import { send } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { runOutboxSystem } from "./runner.ts";
import type { OutboxSystem } from "./system.ts";

/** Our outbox with its defaults. */
const ours: OutboxSystem = {
  async install(url) {
    await migrate(url);
  },
  async openSender() {
    return {
      async send(db, messages) {
        await send({ execute: db }, messages.map((payload) => ({ topic: "order.placed", key: payload.customer, payload })));
      },
    };
  },
  async consume() {
    throw new Error("there is no relay yet");
  },
};

await runOutboxSystem(import.meta.url, ours);
