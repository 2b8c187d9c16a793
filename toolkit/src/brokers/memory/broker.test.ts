import { createRelay } from "../../runtime/relay/relay.ts";
import { MemoryDatabase } from "../../stores/memory/database.ts";
import { memoryOutboxLog } from "../../stores/memory/outbox-log.ts";
import { describeSink } from "../conformance.ts";
import { memoryBroker } from "./broker.ts";
import { memorySink } from "./sink.ts";

describeSink("memory broker, read by a relay", async (arrive) => {
  const kept = new MemoryDatabase();
  let up = true;
  const send: MemoryDatabase["send"] = (messages) => {
    if (!up) throw new Error("nobody is there");
    kept.send(messages);
  };
  const sink = memoryBroker({ database: { send }, log: memoryOutboxLog(kept), batchMax: 100 });
  const relay = await createRelay({
    log: sink.log,
    source: "broker",
    stopWithinMs: 200,
    subscriptions: [{ name: "receiver", sink: memorySink({ receive: arrive, batchMax: 10 }), retry: { baseMs: 5, capMs: 20 } }],
  });
  return { sink, answeredBy: "broker", down: async () => void (up = false), close: () => relay.stop() };
});
