import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import { Refused } from "../../protocol/outcome.ts";
import { sampleCall } from "../conformance.ts";
import type { Call } from "../transport.ts";
import { httpTransport, participantHandler } from "./index.ts";
import type { ParticipantCall, ParticipantHandlerOptions } from "./index.ts";
import { callHeaders } from "../call-headers.ts";
import { signingKey } from "../../wire/signing.ts";
import { sign } from "./signature.ts";

const oldSecret = "the secret of last year";
const newSecret = "the secret of this year";
const key = signingKey(newSecret, "secret");

let effects: ParticipantCall[] = [];
let errors: unknown[] = [];
let behave: (call: ParticipantCall) => unknown;
let nowMs = 0;

const options: ParticipantHandlerOptions = {
  secrets: [oldSecret, newSecret],
  routes: {
    "/wallet": { try: arrive, confirm: arrive, cancel: arrive },
    "/stock": { action: arrive, compensate: arrive },
  },
  bodyBytesMax: 10_000,
  resultBytesMax: 1_000,
  nowMs: () => nowMs,
  onError: (error) => void errors.push(error),
};

function arrive(call: ParticipantCall): unknown {
  effects.push(call);
  return behave(call);
}

beforeEach(() => {
  effects = [];
  errors = [];
  behave = () => ({ hold: 1 });
  nowMs = sampleCall().notAfterMs - 1_000;
});

let handler = participantHandler(options);
const server = createServer((request, response) => handler(request, response));
let origin = "";

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Sent {
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A call as the coordinator signs it; `late` changes it on the way. */
async function send(call: Partial<Call> = {}, late: (sent: Sent) => Partial<Sent> = () => ({})) {
  const whole = sampleCall({ op: "try", ...call });
  const body = JSON.stringify({ payload: whole.payload });
  const headers = callHeaders(whole);
  const { "tripact-gid": gid = "", "tripact-branch": branch = "", "tripact-not-after": notAfter = "" } = headers;
  headers["content-type"] = "application/json";
  headers["tripact-signature"] = sign(key, { op: whole.op, gid, branch, notAfter, body: Buffer.from(body) });
  const sent: Sent = { path: `/wallet/${whole.op}`, method: "POST", headers, body };
  const { path, ...rest } = { ...sent, ...late(sent) };
  const withBody = rest.method === "POST" ? rest : { method: rest.method, headers: rest.headers };
  const response = await fetch(`${origin}${path}`, withBody);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, code: text === "" ? "" : String(JSON.parse(text).code) };
}

const withHeader = (name: string, value: string) => ({ headers }: Sent) => ({ headers: { ...headers, [name]: value } });

describe("a signed call", () => {
  it("is executed, and answered under its own name", async () => {
    const { status, text, headers } = await send();
    assert.deepEqual([status, text], [200, '{"hold":1}']);
    assert.equal(headers.get("tripact-answers"), "order-1%2Freserve;try");
    assert.equal(effects.length, 1);
  });

  it("is refused when anything that it says was changed on the way", async () => {
    const tampered: readonly ((sent: Sent) => Partial<Sent>)[] = [
      withHeader("tripact-gid", "order-2"),
      withHeader("tripact-branch", "refund"),
      withHeader("tripact-not-after", String(nowMs + 999_999_999)),
      (sent) => ({ path: "/wallet/cancel", headers: { ...sent.headers, "tripact-op": "cancel" } }),
      () => ({ path: "/wallet/cancel" }),
      ({ body }) => ({ body: body.replace("1", "2") }),
      withHeader("tripact-signature", `v1=${"0".repeat(64)}`),
      withHeader("tripact-signature", ""),
      ({ headers: { "tripact-signature": _, ...headers } }) => ({ headers }),
    ];
    for (const change of tampered) {
      const { status, code } = await send({}, change);
      assert.deepEqual([status, code], [401, "signature-refused"], change.toString());
    }
    assert.deepEqual(effects, []);
  });

  it("is good under the old secret and the new one, and under no third", async () => {
    for (const [secret, kind] of [[oldSecret, "done"], [newSecret, "done"], ["the secret of somebody else", "unknown"]] as const) {
      const transport = httpTransport({ url: `${origin}/wallet`, secret });
      const answer = await transport.call(sampleCall({ op: "try" }), new AbortController().signal);
      assert.equal(answer.kind, kind);
      assert.equal(answer.kind === "unknown" ? answer.code : "signature-refused", "signature-refused");
      await transport.close();
    }
  });

  it("played again arrives under the same key, which is what the barrier knows it by", async () => {
    const call = sampleCall({ op: "try" });
    await send(call);
    await send(call);
    assert.deepEqual(effects.map(({ gid, branch, op, key: same }) => [gid, branch, op, same]), [
      ["order-1", "reserve", "try", "order-1/reserve"],
      ["order-1", "reserve", "try", "order-1/reserve"],
    ]);
  });

  it("is executed until its time, and never after (note 23)", async () => {
    const call = sampleCall({ op: "try" });
    nowMs = call.notAfterMs;
    assert.equal((await send(call)).status, 200);
    nowMs = call.notAfterMs + 1;
    const { status, code } = await send(call);
    assert.deepEqual([status, code], [410, "expired"]);
    assert.equal(effects.length, 1);
  });
});

describe("bad input is named, and executes nothing", () => {
  it("another path, another op, another method, another type", async () => {
    const cases: readonly (readonly [Partial<Sent>, number, string])[] = [
      [{ path: "/" }, 404, "unknown-participant"],
      [{ path: "/nobody/try" }, 404, "unknown-participant"],
      [{ path: "/wallet" }, 404, "unknown-participant"],
      [{ path: "/wallet/action" }, 404, "unknown-participant"],
      [{ path: "/wallet/constructor" }, 404, "unknown-participant"],
      [{ path: "/__proto__/try" }, 404, "unknown-participant"],
      [{ method: "GET" }, 405, "wrong-method"],
      [{ method: "PUT" }, 405, "wrong-method"],
    ];
    for (const [change, status, code] of cases) {
      const answer = await send({}, () => change);
      assert.deepEqual([answer.status, answer.code], [status, code], JSON.stringify(change));
    }
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]) {
      assert.equal((await send({}, withHeader("content-type", type))).status, 415, type);
    }
    assert.equal((await send({}, withHeader("content-type", "application/json; charset=utf-8"))).status, 200);
    assert.equal(effects.length, 1);
  });

  it("a gid or branch that no journal would take, although it is signed", async () => {
    const names: readonly Partial<Call>[] = [{ gid: "a\nb" }, { gid: "a\u0000" }, { gid: "x".repeat(129) }, { gid: "" }, { branch: "a/b" }, { branch: "" }];
    for (const name of names) {
      const { status, code } = await send(name);
      assert.deepEqual([status, code], [400, "bad-call"], JSON.stringify(name));
    }
    assert.deepEqual(effects, []);
  });

  it("numbers that are none, a broken escape, a body that is no call", async () => {
    for (const change of [withHeader("tripact-epoch", "-1"), withHeader("tripact-attempt", "1e3"), withHeader("tripact-op", "confirm")]) {
      assert.equal((await send({}, change)).status, 400);
    }
    for (const body of ["[]", "null", "{}", '{"payload"', '{"forwardResult":1}', ""]) {
      const gid = "%E0%A4";
      for (const parts of [{ body, gid: "order-1" }, { body: '{"payload":1}', gid }]) {
        const signed = ({ headers }: Sent): Partial<Sent> => {
          const { "tripact-not-after": notAfter = "" } = headers;
          const signature = sign(key, { op: "try", gid: parts.gid, branch: "reserve", notAfter, body: Buffer.from(parts.body) });
          return { body: parts.body, headers: { ...headers, "tripact-gid": parts.gid, "tripact-signature": signature } };
        };
        assert.equal((await send({}, signed)).code, "bad-call");
      }
    }
    assert.deepEqual(effects, []);
  });

  it("a body that is too large, announced or not", async () => {
    const { status, code } = await send({ payload: "x".repeat(10_001) });
    assert.deepEqual([status, code], [413, "too-large"]);
    const chunked = httpRequest(`${origin}/wallet/try`, {
      method: "POST",
      headers: { ...callHeaders(sampleCall({ op: "try" })), "content-type": "application/json", "tripact-signature": `v1=${"0".repeat(64)}` },
    });
    chunked.write("x".repeat(6_000));
    chunked.end("x".repeat(6_000));
    const [response] = await once(chunked, "response");
    response.resume();
    assert.equal(response.statusCode, 413);
    assert.deepEqual(effects, []);
  });

  it("whoever keeps sending is cut off", async () => {
    const endless = httpRequest(`${origin}/wallet/try`, { method: "POST", headers: { "content-type": "application/json" } });
    const cut = once(endless, "close");
    endless.on("error", () => {});
    endless.on("response", (response) => response.on("error", () => {}).resume());
    const push = (): void => {
      if (!endless.destroyed) endless.write("x".repeat(4_096), () => setImmediate(push));
    };
    push();
    await cut;
    assert.deepEqual(effects, []);
  });

  it("a trace context that is none is left out", async () => {
    await send({}, withHeader("traceparent", "00-zz"));
    assert.ok(effects[0] !== undefined && !("traceparent" in effects[0]));
  });
});

describe("what an op throws", () => {
  it("is kept from the caller, and told to onError", async () => {
    behave = () => {
      throw new Error("connect failed: postgres://shop:hunter2@db");
    };
    const { status, text } = await send();
    assert.deepEqual([status, text], [500, '{"code":"internal"}']);
    assert.match(String(errors[0]), /hunter2/);
  });

  it("keeps its meaning when the barrier throws it", async () => {
    for (const [error, status, code] of [
      [new TripactError("key-reused", "cents differ"), 422, "key-reused"],
      [new TripactError("expired", "late"), 410, "expired"],
      [new TripactError("overloaded", "full"), 503, "overloaded"],
      [new TripactError("barrier-misuse", "no transaction"), 500, "internal"],
      [new Refused("already-undone"), 409, "already-undone"],
      [new Refused(""), 409, "refused"],
    ] as const) {
      behave = () => Promise.reject(error);
      const answer = await send();
      assert.deepEqual([answer.status, answer.code], [status, code]);
    }
  });

  it("is a refusal even when its details cannot be sent", async () => {
    const details: { self?: unknown } = {};
    details.self = details;
    behave = () => {
      throw new Refused("sold-out", details as never);
    };
    const { status, text } = await send();
    assert.deepEqual([status, text], [409, '{"code":"sold-out"}']);
    assert.equal(errors.length, 1);
  });

  it("does not matter to an onError that throws itself", async () => {
    handler = participantHandler({ ...options, onError: () => { throw new Error("log is full"); } });
    behave = () => Promise.reject(new Error("out of disk"));
    assert.equal((await send()).code, "internal");
    handler = participantHandler(options);
  });
});

describe("what an op returns", () => {
  it("waits for a person when it is not JSON or too large, for the effect stands", async () => {
    for (const result of [1n, new Map(), () => 1, "x".repeat(2_000)]) {
      behave = () => result;
      const { status, text } = await send();
      assert.equal(status, 428);
      assert.match(text, /^\{"code":"pause","reason":"result-not-json: /);
    }
    assert.equal(errors.length, 4);
  });

  it("is unknown when it takes too long, and the op is told", async () => {
    handler = participantHandler({ ...options, callTimeoutMs: 20 });
    behave = () => new Promise(() => {});
    const { status, code } = await send();
    assert.deepEqual([status, code], [504, "participant-timeout"]);
    assert.equal(effects[0]?.signal.aborted, true);
    handler = participantHandler(options);
  });
});

describe("mounting", () => {
  it("leaves other paths to the application", async () => {
    const app = createServer((request, response) => handler(request, response, () => void response.end("the shop")));
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const response = await fetch(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`);
    assert.equal(await response.text(), "the shop");
    app.closeAllConnections();
    await new Promise((resolve) => app.close(resolve));
  });

  it("says so when a body parser came first", async () => {
    const app = createServer((request, response) => {
      request.resume().once("end", () => handler(request, response));
    });
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const url = `http://127.0.0.1:${(app.address() as AddressInfo).port}/wallet`;
    const transport = httpTransport({ url, secret: newSecret });
    const answer = await transport.call(sampleCall({ op: "try" }), new AbortController().signal);
    assert.ok(answer.kind === "unknown" && answer.code === "internal");
    assert.match(String(errors[0]), /before any body parser/);
    await transport.close();
    await new Promise((resolve) => app.close(resolve));
  });

  it("refuses options that cannot be meant", () => {
    const wrong: readonly Partial<ParticipantHandlerOptions>[] = [
      { secrets: [] },
      { secrets: ["short"] },
      { routes: { wallet: { try: arrive } } },
      { routes: { "/wallet/": { try: arrive } } },
      { routes: { "/wallet?x": { try: arrive } } },
      { routes: { "/wallet": {} } },
      { routes: { "/wallet": { ["tyr" as "try"]: arrive } } },
      { bodyBytesMax: -1 },
      { callTimeoutMs: 0 },
    ];
    for (const change of wrong) assert.throws(() => participantHandler({ ...options, ...change }), { code: "invalid-option" });
  });
});
