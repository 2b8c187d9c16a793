import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { Pause, Pending, Refused } from "../../protocol/outcome.ts";
import { TripactError } from "../../protocol/errors.ts";
import { signingKey } from "../../wire/signing.ts";
import type { Envelope } from "../broker.ts";
import { sampleEnvelope } from "../conformance.ts";
import { encodeEvent } from "./cloud-event.ts";
import type { ContentMode } from "./cloud-event.ts";
import { eventHandler, httpSink } from "./index.ts";
import type { EventHandlerOptions, ReceiveEvent } from "./index.ts";
import { signEvent } from "./signature.ts";

const oldSecret = "the secret of last year";
const newSecret = "the secret of this year";
const key = signingKey(newSecret, "secret");
const now = 1_800_000_000_000;

let received: Envelope[] = [];
let errors: unknown[] = [];
let behave: ReceiveEvent;
beforeEach(() => {
  received = [];
  errors = [];
  behave = () => undefined;
});

const options: EventHandlerOptions = {
  secrets: [oldSecret, newSecret],
  receive: async (envelope, signal) => {
    received.push(envelope);
    await behave(envelope, signal);
  },
  bodyBytesMax: 10_000,
  receiveTimeoutMs: 200,
  nowMs: () => now,
  onError: (error) => {
    errors.push(error);
    throw new Error("the logger is broken as well");
  },
};

const handler = eventHandler(options);
const server = createServer(handler);
let url = "";
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Sent {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Making {
  readonly mode?: ContentMode;
  /** Before it is signed. */
  readonly early?: (sent: Sent) => Partial<Sent>;
  /** On the way. */
  readonly late?: (sent: Sent) => Partial<Sent>;
}

async function send({ mode = "binary", early = () => ({}), late = () => ({}) }: Making = {}) {
  const event = encodeEvent(sampleEnvelope({ id: "m1" }), mode);
  const unsigned: Sent = { method: "POST", headers: { ...event.headers, "tripact-sent-at": String(now) }, body: event.body.toString() };
  const made = { ...unsigned, ...early(unsigned) };
  const signed = { ...made, headers: { ...made.headers, "tripact-signature": signEvent(key, made.headers, Buffer.from(made.body)) } };
  const { method, headers, body } = { ...signed, ...late(signed) };
  const response = await fetch(url, method === "POST" ? { method, headers, body } : { method, headers });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, code: text === "" ? "" : String(JSON.parse(text).code) };
}

const withHeader = (name: string, value: string) => ({ headers }: Sent) => ({ headers: { ...headers, [name]: value } });

describe("a signed event", () => {
  for (const mode of ["binary", "structured"] as const) {
    it(`is received from ${mode} mode, and its answer names it`, async () => {
      const { status, text, headers } = await send({ mode });
      assert.deepEqual([status, text, headers.get("tripact-answers")], [204, "", "orders/m1"]);
      assert.equal(received[0]?.id, "m1");
    });

    it(`is refused when anything of it was changed on the way in ${mode} mode`, async () => {
      const tampered: readonly ((sent: Sent) => Partial<Sent>)[] = [
        ...["ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-admin", "tripact-sent-at"].map((name) => withHeader(name, "1760000000000")),
        ({ body }) => ({ body: body.replace("quantity", "quantitY") }),
        withHeader("tripact-signature", `v1=${"0".repeat(64)}`),
        withHeader("tripact-signature", ""),
        ({ headers: { "tripact-signature": _, ...headers } }) => ({ headers }),
      ];
      for (const late of tampered) {
        const { status, code } = await send({ mode, late });
        assert.deepEqual([status, code], [401, "signature-refused"], late.toString());
      }
      assert.deepEqual(received, []);
    });
  }

  it("is not another event in the other mode", async () => {
    assert.equal((await send({ late: withHeader("content-type", "application/cloudevents+json") })).code, "bad-event");
    assert.equal((await send({ mode: "structured", late: withHeader("content-type", "application/json") })).code, "bad-event");
    assert.deepEqual(received, []);
  });

  it("is good under the old secret and the new one, and under no third", async () => {
    for (const [secret, kind] of [[oldSecret, "done"], [newSecret, "done"], ["the secret of somebody else", "unknown"]] as const) {
      const sink = httpSink({ url, secret, nowMs: () => now });
      const [receipt] = await sink.deliver([sampleEnvelope()], new AbortController().signal);
      assert.equal(receipt?.kind, kind);
      assert.match(receipt?.kind === "unknown" ? receipt.error : "signature-refused", /^signature-refused/);
      await sink.close();
    }
  });

  it("that was kept for longer than a day is expired, however good its signature", async () => {
    const sentAt = (ms: number) => send({ early: withHeader("tripact-sent-at", String(ms)) });
    assert.equal((await sentAt(now - 86_400_000)).status, 204);
    const { status, code } = await sentAt(now - 86_400_001);
    assert.deepEqual([status, code, received.length], [410, "expired", 1]);
    assert.equal((await send({ early: withHeader("tripact-sent-at", "soon") })).code, "bad-event");
  });

  it("that cannot be read is a bad event, and only our side hears why", async () => {
    const wrong: readonly ((sent: Sent) => Partial<Sent>)[] = [
      withHeader("ce-type", ""),
      withHeader("ce-subject", "100%"),
      withHeader("ce-specversion", "0.3"),
      () => ({ body: "{" }),
    ];
    for (const early of wrong) {
      const { status, text } = await send({ early });
      assert.deepEqual([status, text], [400, '{"code":"bad-event"}'], early.toString());
    }
    assert.deepEqual([received.length, errors.length], [0, wrong.length]);
  });
});

describe("what a receiver does", () => {
  it("becomes the answer", async () => {
    const answers: readonly (readonly [thrown: unknown, status: number, body: string])[] = [
      [new Refused("unknown-sku"), 409, '{"code":"unknown-sku"}'],
      [new Refused("unknown-sku", { sku: "A" }), 409, '{"code":"unknown-sku","details":{"sku":"A"}}'],
      [new Refused("", Number.NaN), 409, '{"code":"refused"}'],
      [new Pause("ask accounting"), 428, '{"code":"pause","reason":"ask accounting"}'],
      [new Pending({ retryAfterMs: 5 }), 425, '{"code":"pending"}'],
      [new TripactError("key-reused", "another payload"), 422, '{"code":"key-reused","detail":"another payload"}'],
      [new TripactError("store-unreachable", "password=hunter2"), 500, '{"code":"internal"}'],
      [new Error("password=hunter2"), 500, '{"code":"internal"}'],
      ["hunter2", 500, '{"code":"internal"}'],
      [undefined, 500, '{"code":"internal"}'],
    ];
    for (const [thrown, status, body] of answers) {
      behave = () => Promise.reject(thrown);
      const answer = await send();
      assert.deepEqual([answer.status, answer.text], [status, body]);
    }
    assert.equal(errors.filter((error) => error instanceof Error && error.message.includes("hunter2")).length, 2);
  });

  it("that takes too long is told to stop, and is unknown", async () => {
    const stopped = Promise.withResolvers<unknown>();
    behave = (_envelope, signal) => {
      signal.addEventListener("abort", () => stopped.resolve(signal.reason));
      return new Promise(() => {});
    };
    const { status, code } = await send();
    assert.deepEqual([status, code], [504, "participant-timeout"]);
    assert.equal((await stopped.promise as DOMException).name, "TimeoutError");
  });

  it("whose sender has gone is told to stop", async () => {
    const stopped = Promise.withResolvers<unknown>();
    const controller = new AbortController();
    behave = (_envelope, signal) => {
      signal.addEventListener("abort", () => stopped.resolve(signal.reason));
      controller.abort();
      return new Promise(() => {});
    };
    const sink = httpSink({ url, secret: newSecret, nowMs: () => now });
    const [receipt] = await sink.deliver([sampleEnvelope()], controller.signal);
    assert.equal(receipt?.kind, "unknown");
    assert.equal((await stopped.promise as DOMException).name, "AbortError");
    await sink.close();
  });
});

describe("a request that is no event", () => {
  it("is turned away by name", async () => {
    const wrong: readonly (readonly [status: number, code: string, late: (sent: Sent) => Partial<Sent>])[] = [
      [405, "wrong-method", () => ({ method: "GET" })],
      [415, "wrong-content-type", withHeader("content-type", "text/plain")],
      [415, "wrong-content-type", withHeader("content-type", "application/cloudevents-batch+xml")],
      [415, "wrong-content-type", withHeader("content-type", "application/json; charset=latin1")],
      [415, "wrong-content-type", withHeader("content-encoding", "gzip")],
      [413, "too-large", () => ({ body: JSON.stringify("x".repeat(15_000)) })],
    ];
    for (const [status, code, late] of wrong) {
      const answer = await send({ late });
      assert.deepEqual([answer.status, answer.code], [status, code], late.toString());
    }
    assert.deepEqual(received, []);
  });

  it("is cut off when it never ends", async () => {
    const event = encodeEvent(sampleEnvelope(), "binary");
    const sending = httpRequest(url, { method: "POST", headers: { ...event.headers, "tripact-signature": "v1=", "transfer-encoding": "chunked" } });
    sending.on("error", () => {});
    sending.on("response", (response) => response.resume());
    const closed = once(sending, "close");
    const timer = setInterval(() => sending.write("x".repeat(5_000)), 1);
    await closed;
    clearInterval(timer);
  });

  it("whose body was read before us is our side's mistake, and says so there", async () => {
    const late = createServer((request, response) => {
      request.resume().once("end", () => handler(request, response));
    });
    late.listen(0, "127.0.0.1");
    await once(late, "listening");
    const event = encodeEvent(sampleEnvelope(), "binary");
    const response = await fetch(`http://127.0.0.1:${(late.address() as AddressInfo).port}`, {
      method: "POST", headers: { ...event.headers, "tripact-signature": "v1=" }, body: event.body.toString(),
    });
    assert.equal(response.status, 500);
    assert.match(String(errors[0]), /before any body parser/);
    late.closeAllConnections();
    await new Promise((resolve) => late.close(resolve));
  });

  it("needs no server to be refused at the door", () => {
    assert.throws(() => eventHandler({ secrets: [], receive: () => {} }), { code: "invalid-option", where: "secrets" });
    assert.throws(() => eventHandler({ secrets: [newSecret, "short"], receive: () => {} }), { code: "invalid-option", where: "secrets[1]" });
    for (const wrong of [{ bodyBytesMax: 0 }, { receiveTimeoutMs: -1 }, { maxAgeMs: 0.5 }]) {
      assert.throws(() => eventHandler({ ...options, ...wrong }), { code: "invalid-option" });
    }
  });
});
