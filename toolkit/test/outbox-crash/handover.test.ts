import assert from "node:assert/strict";
import test from "node:test";
import { createRelay, postgresOutboxLog, type Relay, type Sink } from "tripact/relay";
import { TripactError, type TripactErrorCode } from "../../src/protocol/errors.ts";
import { eventually } from "../crash/journal.ts";
import { topic } from "./orders.ts";
import { watchedLog } from "./points.ts";
import { Sender } from "./shop.ts";

const sink: Sink = {
  features: { name: "nothing", persistent: false, ordered: true, deduplicates: false, batchMax: 10 },
  deliver: async (messages) => messages.map(() => ({ kind: "done" })),
  close: async () => undefined,
};

const cases = [
  { at: "before lanes.release", code: "store-unreachable" },
  { at: "after lanes.release", code: "store-unknown" },
  // Whatever it was letting go of, it begins anew.
  { at: "before lanes.release", code: "cursor-lost" },
] as const satisfies readonly { readonly at: string; readonly code: TripactErrorCode }[];

for (const { at, code } of cases) {
  test(`a handover that is interrupted by ${code}, ${at}: the lanes move all the same`, async () => {
    const sender = await Sender.open("handover");
    const relays: Relay[] = [];
    const join = async (pass: (point: string) => void): Promise<void> => {
      const log = watchedLog(postgresOutboxLog({ url: sender.url }), pass);
      relays.push(await createRelay({ log, source: "shop", subscriptions: [{ name: "handover", topics: [topic], sink }], beatEveryMs: 100 }));
    };
    let failed = false;
    try {
      await join((point) => {
        if (failed || point !== at) return;
        failed = true;
        throw new TripactError(code, "As the test wants it.");
      });
      assert.ok(await sender.isShared(1));
      await join(() => undefined);
      assert.ok(await eventually(() => sender.isShared(2), 10, 5_000), `lanes: ${relays.map((it) => it.health().subscriptions[0]?.lanes).join(" and ")}`);
      assert.ok(failed);
    } finally {
      await Promise.all(relays.map((it) => it.stop()));
      await sender.close();
    }
  });
}
