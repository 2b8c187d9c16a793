import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import type { Receipt } from "../broker.ts";
import { sampleEnvelope } from "../conformance.ts";
import { httpSink } from "./sink.ts";
import type { HttpSinkOptions } from "./sink.ts";

const secret = "a secret of sixteen characters or more";
const never = new AbortController().signal;
const open = new Set<() => Promise<void>>();

afterEach(async () => {
  for (const close of open) await close();
  open.clear();
});

interface Stub {
  readonly url: string;
  readonly requests: number;
  readonly connections: number;
  readonly sockets: ReadonlySet<Socket>;
}

/** A receiver that speaks bytes, because no HTTP server can be made to answer this wrongly. `script` runs once per request. */
async function receiver(script: (socket: Socket, nth: number, request: string) => void): Promise<Stub> {
  const sockets = new Set<Socket>();
  const stub = { url: "", requests: 0, connections: 0, sockets };
  const server = createServer((socket) => {
    stub.connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      for (const _ of text.matchAll(/^POST /gm)) script(socket, (stub.requests += 1), text);
    });
  });
  stub.url = `${await listen(server)}/events`;
  open.add(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return stub;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sinkTo(url: string, options: Partial<HttpSinkOptions> = {}) {
  const sink = httpSink({ url, secret, ...options });
  open.add(() => sink.close());
  return sink;
}

async function receiptFrom(url: string, options: Partial<HttpSinkOptions> = {}): Promise<Receipt> {
  const [receipt] = await sinkTo(url, options).deliver([sampleEnvelope()], never);
  assert.ok(receipt !== undefined);
  return receipt;
}

/** `done`, `refused sold-out`, `unknown http-503`. */
function named(receipt: Receipt | undefined): string {
  if (receipt?.kind === "unknown") return `unknown ${receipt.error.split(":")[0]}`;
  return receipt?.kind === "refused" ? `refused ${receipt.code}` : String(receipt?.kind);
}

const reply = (status: string, body: string, headers = ""): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

type Case = readonly [says: string, receipt: string, script: (socket: Socket) => void, options?: Partial<HttpSinkOptions>];

async function judge([, receipt, script, options]: Case): Promise<void> {
  const stub = await receiver(script);
  assert.equal(named(await receiptFrom(stub.url, options)), receipt);
  assert.equal(stub.requests, 1, "sent once, and not again by the sink");
}

const says = (status: string, body: string, headers = "") => (socket: Socket) => void socket.write(reply(status, body, headers));

describe("an answer", () => {
  const cases: readonly Case[] = [
    ["200 with whatever body", "done", says("200 OK", "<h1>thanks</h1>")],
    ["202", "done", says("202 Accepted", "")],
    ["204", "done", (s) => s.write("HTTP/1.1 204 No Content\r\n\r\n")],
    ["our 409", "refused sold-out", says("409 Conflict", '{"code":"sold-out","details":{"left":0}}')],
    ["422 key-reused", "refused key-reused", says("422 Unprocessable", '{"code":"key-reused"}')],
    ["428 pause", "refused pause", says("428 Required", '{"code":"pause","reason":"ask accounting"}')],
    ["425", "unknown pending", says("425 Too Early", '{"code":"pending"}', "retry-after-ms: 250\r\n")],
    ["a proxy's 409", "unknown http-409", says("409 Conflict", "<h1>conflict</h1>")],
    ["a proxy's 409 in JSON", "unknown http-409", says("409 Conflict", '{"code":"Conflict","message":"try later"}')],
    ["another 422", "unknown http-422", says("422 Unprocessable", '{"errors":["name is missing"]}')],
    ["410 of whoever", "unknown http-410", says("410 Gone", "gone")],
    ["410 of ours", "unknown expired", says("410 Gone", '{"code":"expired"}')],
    ["401", "unknown signature-refused", says("401 No", '{"code":"signature-refused"}')],
    ["404", "unknown http-404", says("404 Not Found", "")],
    ["400", "unknown bad-event", says("400 Bad", '{"code":"bad-event"}')],
    ["413", "unknown too-large", says("413 Large", '{"code":"too-large"}')],
    ["429", "unknown http-429", says("429 Slow Down", "", "retry-after: 7\r\n")],
    ["503", "unknown http-503", says("503 Busy", "", "retry-after: 7\r\n")],
    ...["301", "302", "303", "307", "308"].map((status): Case => [status, "unknown redirect", says(`${status} Elsewhere`, '{"code":"x"}', "location: /other\r\n")]),
  ];
  for (const one of cases) it(`${one[0]} is ${one[1]}`, () => judge(one));

  it("tells people what it says: details, and when to come back", async () => {
    const texts: readonly (readonly [RegExp, (socket: Socket) => void])[] = [
      [/^nothing left$/, says("409 No", '{"code":"sold-out","details":{"message":"nothing left"}}')],
      [/^\{"left":0\}$/, says("409 No", '{"code":"sold-out","details":{"left":0}}')],
      [/^the receiver refused: sold-out$/, says("409 No", '{"code":"sold-out"}')],
      [/retry-after 7$/, says("429 Slow", "", "retry-after: 7\r\n")],
      [/250 ms$/, says("425 Early", "", "retry-after-ms: 250\r\n")],
      // What a database's column or a terminal would choke on does not get that far.
      [/^a\ufffdb\ufffd$/, says("409 No", '{"code":"x","details":"a\\u0000b\\ud800"}')],
      [/^x{1999}…$/, says("409 No", JSON.stringify({ code: "x", details: "x".repeat(100_000) }))],
    ];
    for (const [text, script] of texts) {
      const receipt = await receiptFrom((await receiver(script)).url);
      assert.ok(receipt.kind !== "done");
      assert.match(receipt.error, text);
    }
  });
});

describe("a receiver that answers wrongly is unknown, never refused and never done", () => {
  const cases: readonly Case[] = [
    ["does the work and says 500", "unknown http-500", says("500 Oops", '{"code":"sold-out"}')],
    ["resets in the middle of the body", "unknown reset", (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", () => s.resetAndDestroy())],
    ["closes in the middle of a refusal", "unknown reset", (s) => s.end('HTTP/1.1 409 No\r\ncontent-length: 100\r\n\r\n{"code":"x"}')],
    ["sends half of a refusal", "unknown http-409", says("409 No", '{"code":"x"')],
    ["announces a huge body", "unknown too-large", (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")],
    ["sends a huge body", "unknown too-large", (s) => s.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n800\r\n${"x".repeat(2_048)}\r\n`), { responseBytesMax: 1_000 }],
    ["sends endless headers", "unknown bad-answer", (s) => s.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`)],
    ["sends no HTTP at all", "unknown bad-answer", (s) => s.write("+OK ready\r\n")],
    ["resets the connection", "unknown reset", (s) => s.resetAndDestroy()],
    ["never answers", "unknown timeout", () => {}, { timeoutMs: 300 }],
    ["answers after the timeout", "unknown timeout", (s) => void setTimeout(() => s.write(reply("200 OK", "")), 500), { timeoutMs: 300 }],
    ["stops in the middle of the body", "unknown timeout", (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1"), { timeoutMs: 300 }],
    ["answers another message", "unknown bad-answer", says("200 OK", "", "tripact-answers: orders/other\r\n")],
  ];
  for (const one of cases) it(`${one[0]}: ${one[1]}`, () => judge(one));

  it("is not there: refused-connection", async () => {
    const server = createServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(named(await receiptFrom(url)), "unknown refused-connection");
  });

  it("accepts the connection and no TLS: connect-timeout", async () => {
    const stub = await receiver(() => {});
    assert.equal(named(await receiptFrom(stub.url.replace("http:", "https:"), { connectTimeoutMs: 50 })), "unknown connect-timeout");
  });
});

describe("no answer is taken for another message's", () => {
  const nameOf = (request: string): string => /idempotency-key: (\S+)/i.exec(request)?.[1] ?? "";

  it("a receiver that answers twice and names nothing gets each message on a fresh connection", async () => {
    let first: Socket | undefined;
    const stub = await receiver((socket, nth) => {
      if (nth === 1) return void (first = socket).write(reply("200 OK", ""));
      // The second answer to the first message gets there first: who reused its connection would call the second message done.
      socket.write((socket === first ? reply("200 OK", "") : "") + reply("500 Oops", ""));
    });
    const sink = sinkTo(stub.url, { connections: 1 });
    const receipts = [...(await sink.deliver([sampleEnvelope()], never)), ...(await sink.deliver([sampleEnvelope()], never))];
    assert.deepEqual(receipts.map(named), ["done", "unknown http-500"]);
    assert.equal(stub.connections, 2);
  });

  it("a receiver that names its answers keeps its connection, and a stray answer of its is seen", async () => {
    let first = "";
    const stub = await receiver((socket, nth, request) => {
      const own = `tripact-answers: ${nameOf(request)}\r\n`;
      if (nth === 1) first = own;
      if (nth < 3) return void socket.write(reply("200 OK", "", own));
      socket.write(reply("200 OK", "", first) + reply("200 OK", "", own));
    });
    const sink = sinkTo(stub.url, { connections: 1 });
    const receipts: Receipt[] = [];
    for (let n = 0; n < 3; n += 1) receipts.push(...(await sink.deliver([sampleEnvelope()], never)));
    assert.deepEqual(receipts.map(named), ["done", "done", "unknown bad-answer"]);
    assert.equal(stub.connections, 1);
  });

  it("an answer that comes after the message was given up dies with its connection", async () => {
    const late = Promise.withResolvers<Socket>();
    const stub = await receiver((socket, nth) => (nth === 1 ? late.resolve(socket) : socket.write(reply("503 Busy", ""))));
    const sink = sinkTo(stub.url, { connections: 1 });
    const controller = new AbortController();
    const given = sink.deliver([sampleEnvelope()], controller.signal);
    const socket = await late.promise;
    controller.abort();
    assert.deepEqual((await given).map(named), ["unknown aborted"]);
    socket.write(reply("204 OK", ""));
    assert.deepEqual((await sink.deliver([sampleEnvelope()], never)).map(named), ["unknown http-503"]);
  });
});

describe("connections", () => {
  const answer = (socket: Socket, request: string): void =>
    void socket.write(reply("200 OK", "", `tripact-answers: ${/idempotency-key: (\S+)/i.exec(request)?.[1] ?? ""}\r\n`));

  it("are kept, and never more than allowed, over all deliveries at once", async () => {
    let most = 0;
    const stub: Stub = await receiver((socket, _nth, request) => {
      most = Math.max(most, stub.sockets.size);
      setImmediate(() => answer(socket, request));
    });
    const sink = sinkTo(stub.url, { connections: 3 });
    const batch = () => Array.from({ length: 20 }, () => sampleEnvelope());
    const receipts = await Promise.all([sink.deliver(batch(), never), sink.deliver(batch(), never)]);
    assert.ok(receipts.flat().every(({ kind }) => kind === "done"));
    assert.deepEqual([stub.requests, most, stub.connections], [40, 3, 3]);
  });

  it("that are all busy do not spend the time of a message that waits", async () => {
    const stub = await receiver((socket, _nth, request) => void setTimeout(() => answer(socket, request), 500));
    const receipts = await sinkTo(stub.url, { connections: 1, timeoutMs: 1_900 }).deliver(Array.from({ length: 4 }, () => sampleEnvelope()), never);
    assert.deepEqual(receipts.map(named), ["done", "done", "done", "done"]);
  });

  it("that are all busy do not hold a delivery that was given up", async () => {
    const stub = await receiver(() => {});
    const sink = sinkTo(stub.url, { connections: 1, timeoutMs: 400 });
    let waiting = true;
    const first = sink.deliver([sampleEnvelope()], never).finally(() => (waiting = false));
    const second = await sink.deliver([sampleEnvelope(), sampleEnvelope()], AbortSignal.timeout(30));
    assert.ok(waiting, "given up, and held all the same");
    assert.deepEqual(second.map(named), ["unknown timeout", "unknown timeout"]);
    assert.deepEqual((await first).map(named), ["unknown timeout"]);
    assert.equal(stub.requests, 1);
  });

  it("are closed when the sink is, after what is in flight", async () => {
    const stub: Stub = await receiver((socket, _nth, request) => void setTimeout(() => answer(socket, request), 30));
    const sink = sinkTo(stub.url);
    const delivery = sink.deliver([sampleEnvelope()], never);
    await sink.close();
    assert.deepEqual((await delivery).map(named), ["done"]);
    assert.deepEqual((await sink.deliver([sampleEnvelope()], never)).map(named), ["unknown closed"]);
    for (let rounds = 0; stub.sockets.size > 0 && rounds < 100; rounds += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(stub.sockets.size, 0);
  });
});

describe("what never leaves", () => {
  it("a message that no request can carry is refused by name", async () => {
    const stub = await receiver(says("200 OK", ""));
    const receipts = await sinkTo(stub.url, { mode: "structured" }).deliver([sampleEnvelope({ payload: "{" }), sampleEnvelope({ recordedAtMs: Number.NaN }), sampleEnvelope()], never);
    assert.deepEqual(receipts.map(named), ["refused bad-message", "refused bad-message", "done"]);
    assert.equal(stub.requests, 1);
  });

  it("a message to a host that was taken off the list is unknown", async () => {
    const stub = await receiver(says("200 OK", ""));
    let allowed = true;
    const sink = sinkTo(stub.url, { allowHosts: () => allowed });
    assert.deepEqual((await sink.deliver([sampleEnvelope()], never)).map(named), ["done"]);
    allowed = false;
    assert.deepEqual((await sink.deliver([sampleEnvelope()], never)).map(named), ["unknown host-not-allowed"]);
    assert.equal(stub.requests, 1);
  });
});

describe("at the door", () => {
  const throws = (code: string, options: Partial<HttpSinkOptions>): void =>
    assert.throws(() => httpSink({ url: "http://127.0.0.1:9/events", secret, ...options }), { code }, JSON.stringify(options));

  it("hosts that are not allowed are refused", () => {
    throws("host-not-allowed", { url: "http://10.0.0.1/events" });
    throws("host-not-allowed", { url: "http://169.254.169.254/latest" });
    throws("host-not-allowed", { url: "http://stock:80/events", allowHosts: ["stock:81"] });
    httpSink({ url: "http://stock:80/events", secret, allowHosts: ["stock:*"] });
  });

  it("options that cannot be meant are refused, and a password is not repeated", () => {
    for (const url of ["", "stock", "ftp://127.0.0.1/", "http://127.0.0.1/?a=1", "http://127.0.0.1/#a"]) throws("invalid-option", { url });
    for (const limits of [{ timeoutMs: 0 }, { connections: 1.5 }, { batchMax: -1 }, { secret: "short" }, { allowHosts: ["stock"] }]) throws("invalid-option", limits);
    // @ts-expect-error a mode that there is not
    throws("invalid-option", { mode: "batched" });
    assert.throws(
      () => httpSink({ url: "http://user:hunter2@127.0.0.1/", secret }),
      (error: unknown) => error instanceof TripactError && !error.message.includes("hunter2"),
    );
  });

  it("a sink is as persistent as its receiver says", () => {
    const features = (persistent?: boolean) => httpSink({ url: "http://127.0.0.1:9/", secret, ...(persistent === undefined ? {} : { persistent }) }).features;
    assert.deepEqual(features(), { name: "http", persistent: false, ordered: false, deduplicates: false, batchMax: 256 });
    assert.equal(features(true).persistent, true);
  });
});
