import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TripactError } from "../protocol/errors.ts";
import { branchKey } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import { Pause, Pending, Refused } from "../protocol/outcome.ts";
import type { Op } from "../protocol/outcome.ts";
import type { Call, Transport } from "./transport.ts";

/** A call as it arrives at the participant. */
export interface ArrivedCall extends Call {
  readonly signal: AbortSignal;
}

/** The participant that an adapter puts behind its transport: TCC and saga ops side by side. `undefined` is no result. */
export type ConformanceOps = { readonly [op in Exclude<Op, "wake" | "forget">]: (call: ArrivedCall) => Promise<Json | undefined> };

export interface OpenTransport {
  readonly transport: Transport;
  /** Closes whatever the adapter needed besides: a server, a port. */
  close(): Promise<void>;
}

/** What every transport does, whatever carries the call: one call in, exactly one answer out, and never a throw. */
export function describeTransport(name: string, open: (ops: ConformanceOps) => Promise<OpenTransport>): void {
  describe(`transport: ${name}`, () => {
    let behave: (call: ArrivedCall) => Promise<Json | undefined>;
    let opened: OpenTransport;
    const arrived = (call: ArrivedCall): Promise<Json | undefined> => behave(call);

    before(async () => {
      opened = await open({ action: arrived, compensate: arrived, try: arrived, confirm: arrived, cancel: arrived });
    });
    after(async () => {
      await opened.transport.close();
      await opened.close();
    });

    const ask = (call: Partial<Call> = {}, signal = new AbortController().signal) => opened.transport.call(sampleCall(call), signal);
    const answerTo = (does: typeof behave, call: Partial<Call> = {}) => {
      behave = does;
      return ask(call);
    };

    it("hands the participant the call as it was made", async () => {
      let seen: ArrivedCall | undefined;
      const call = sampleCall({ op: "confirm", forwardResult: { hold: 7 }, traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01` });
      await answerTo(async (arrivedCall) => void (seen = arrivedCall), call);
      assert.ok(seen !== undefined);
      const { signal, ...plain } = seen;
      assert.equal(signal.aborted, false);
      assert.deepEqual(plain, call);
    });

    it("leaves the forward result out when its outcome is unknown", async () => {
      let seen: ArrivedCall | undefined;
      await answerTo(async (call) => void (seen = call), { op: "compensate" });
      assert.ok(seen !== undefined && !("forwardResult" in seen));
    });

    it("reaches each op by its name", async () => {
      for (const op of ["action", "compensate", "try", "confirm", "cancel"] as const) {
        assert.deepEqual(await answerTo(async (call) => call.op, { op }), { kind: "done", result: op });
      }
    });

    it("done, with whatever JSON the participant returns", async () => {
      for (const result of [{ a: [1, null, "x"] }, [], "", 0, false, null] satisfies Json[]) {
        assert.deepEqual(await answerTo(async () => result), { kind: "done", result });
      }
    });

    it("done without a result is not done with null", async () => {
      assert.deepEqual(await answerTo(async () => undefined), { kind: "done" });
    });

    it("refused, with code and details", async () => {
      const refuse = async (): Promise<never> => {
        throw new Refused("sold-out", { left: 0, 理由: "售罄" });
      };
      assert.deepEqual(await answerTo(refuse), { kind: "refused", code: "sold-out", details: { left: 0, 理由: "售罄" } });
    });

    it("refused without details", async () => {
      assert.deepEqual(await answerTo(() => Promise.reject(new Refused("closed"))), { kind: "refused", code: "closed" });
    });

    it("pending, with the time to come back", async () => {
      const pending = (): Promise<never> => Promise.reject(new Pending({ retryAfterMs: 250 }));
      assert.deepEqual(await answerTo(pending), { kind: "pending", retryAfterMs: 250 });
    });

    it("key reused is an answer of its own", async () => {
      const reused = (): Promise<never> => Promise.reject(new TripactError("key-reused", "another payload"));
      const answer = await answerTo(reused);
      assert.ok(answer.kind === "key-reused");
      assert.match(answer.detail, /another payload/);
    });

    it("pause, with its reason", async () => {
      const pause = (): Promise<never> => Promise.reject(new Pause("ask accounting"));
      assert.deepEqual(await answerTo(pause), { kind: "pause", reason: "ask accounting" });
    });

    it("anything else thrown is unknown, never refused", async () => {
      for (const thrown of [new Error("out of disk"), new TypeError("x is not a function"), new TripactError("store-unreachable", "no database")]) {
        assert.equal((await answerTo(() => Promise.reject(thrown))).kind, "unknown");
      }
    });

    it("past its time is unknown, by the name of expired", async () => {
      const answer = await answerTo(() => Promise.reject(new TripactError("expired", "too late")));
      assert.ok(answer.kind === "unknown");
      assert.equal(answer.code, "expired");
    });

    it("an aborted call is unknown, and the participant hears of it", async () => {
      const controller = new AbortController();
      const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
      behave = ({ signal }) => {
        if (signal.aborted) hear();
        signal.addEventListener("abort", () => hear());
        controller.abort(new DOMException("rolled back", "AbortError"));
        return new Promise(() => {});
      };
      assert.equal((await ask({}, controller.signal)).kind, "unknown");
      await heard;
    });

    it("a call that was aborted before it began is unknown, and never arrives", async () => {
      let arrivals = 0;
      behave = async () => void (arrivals += 1);
      assert.equal((await ask({}, AbortSignal.abort())).kind, "unknown");
      assert.deepEqual(await ask(), { kind: "done" });
      assert.equal(arrivals, 1);
    });

    it("carries ids in any script, and everything that is legal in one", async () => {
      for (const gid of ["订单-42", "заказ", "🛒", "a/b c?d#e&f=%2F+;,\"'", "é\u0301", "x".repeat(128)]) {
        const branch = gid.replaceAll("/", ":");
        const seen = await answerTo(async (call) => [call.gid, call.branch, call.key], { gid, branch });
        assert.deepEqual(seen, { kind: "done", result: [gid, branch, branchKey(gid, branch)] });
      }
    });

    it("carries text that databases dislike", async () => {
      const payload = ["\u0000", "\ud800", "\u2028", "𝄞", "\\", '"'];
      assert.deepEqual(await answerTo(async (call) => call.payload, { payload }), { kind: "done", result: payload });
    });

    it("carries a payload and a result of 1 MiB", async () => {
      const payload = "x".repeat(1_048_576 - 2);
      const answer = await answerTo(async (call) => call.payload, { payload });
      assert.ok(answer.kind === "done" && answer.result === payload);
    });

    it("gives each of many calls at once its own answer", async () => {
      behave = async (call) => call.payload;
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      const answers = await Promise.all(numbers.map((n) => ask({ gid: `many-${n}`, payload: n })));
      assert.deepEqual(answers, numbers.map((n) => ({ kind: "done", result: n })));
    });

    it("closes twice without harm", async () => {
      const other = await open({ action: arrived, compensate: arrived, try: arrived, confirm: arrived, cancel: arrived });
      await other.transport.close();
      await other.transport.close();
      await other.close();
    });
  });
}

/** A call with everything that it needs. */
export function sampleCall(call: Partial<Call> = {}): Call {
  const { gid = "order-1", branch = "reserve" } = call;
  return {
    gid,
    branch,
    op: "action",
    key: branchKey(gid, branch),
    epoch: 3,
    attempt: 1,
    payload: { sku: "A", quantity: 1 },
    notAfterMs: Date.now() + 86_400_000,
    ...call,
  };
}
