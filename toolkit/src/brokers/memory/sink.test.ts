import assert from "node:assert/strict";
import { it } from "node:test";
import { describeSink, sampleEnvelope } from "../conformance.ts";
import { memorySink } from "./sink.ts";

describeSink("memory", async (arrive) => {
  let up = true;
  const receive: typeof arrive = async (envelope) => {
    if (!up) throw new Error("nobody is there");
    await arrive(envelope);
  };
  return {
    sink: memorySink({ receive }),
    answeredBy: "receiver",
    down: async () => void (up = false),
    close: async () => {},
  };
});

it("the memory sink keeps what it took, and only that", async () => {
  const sink = memorySink({ receive: ({ topic }) => (topic === "bad" ? Promise.reject(new Error("no")) : undefined) });
  const good = sampleEnvelope();
  await sink.deliver([sampleEnvelope({ topic: "bad" }), good], new AbortController().signal);
  assert.deepEqual(sink.messages, [good]);
});
