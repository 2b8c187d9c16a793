import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import type { Answer } from "../../protocol/outcome.ts";
import { sampleCall } from "../conformance.ts";
import { httpTransport } from "./client.ts";
import type { HttpTransportOptions } from "./client.ts";

const secret = "a secret of sixteen characters or more";
const open = new Set<() => Promise<void>>();

afterEach(async () => {
  for (const close of open) await close();
  open.clear();
});

/** A participant that speaks bytes, because no HTTP server can be made to answer this wrongly. `script` runs once per request. */
async function participant(script: (socket: Socket, nth: number) => void): Promise<Stub> {
  const sockets = new Set<Socket>();
  const stub = { url: "", requests: 0, connections: 0, sockets };
  const server = createServer((socket) => {
    stub.connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      for (const _ of chunk.toString("latin1").matchAll(/^POST /gm)) script(socket, (stub.requests += 1));
    });
  });
  stub.url = await listen(server);
  open.add(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return stub;
}

interface Stub {
  readonly url: string;
  readonly requests: number;
  readonly connections: number;
  readonly sockets: ReadonlySet<Socket>;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function transport(url: string, options: Partial<HttpTransportOptions> = {}) {
  const made = httpTransport({ url, secret, responseTimeoutMs: 5_000, ...options });
  open.add(() => made.close());
  return made;
}

const never = new AbortController().signal;

async function ask(url: string, options: Partial<HttpTransportOptions> = {}): Promise<Answer> {
  return transport(url, options).call(sampleCall(), never);
}

const codeOf = (answer: Answer): string => (answer.kind === "unknown" ? answer.code : `${answer.kind}, not unknown`);

const reply = (status: string, body: string, headers = ""): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

describe("a participant that answers wrongly is unknown, never refused and never done", () => {
  const cases: readonly (readonly [says: string, code: string, script: (socket: Socket) => void, options?: Partial<HttpTransportOptions>])[] = [
    ["does the work and says 500", "http-500", (s) => s.write(reply("500 Oops", "<h1>sorry</h1>"))],
    ["stands behind a proxy that says 503", "http-503", (s) => s.write(reply("503 Busy", '{"code":"internal"}'))],
    ["stands behind a proxy that says 409", "http-409", (s) => s.write(reply("409 Conflict", "<h1>conflict</h1>"))],
    ["stands behind a proxy that says 409 in JSON", "http-409", (s) => s.write(reply("409 Conflict", '{"code":"Conflict","message":"try later"}'))],
    ["stands behind a proxy that says 409 in no words", "http-409", (s) => s.write(reply("409 Conflict", ""))],
    ["sends a page with status 200", "bad-answer", (s) => s.write(reply("200 OK", "<h1>log in first</h1>"))],
    ["sends half of its JSON", "bad-answer", (s) => s.write(reply("200 OK", '{"hold": 1'))],
    ["sends bytes that are not UTF-8", "bad-answer", (s) => s.write(Buffer.from(reply("200 OK", '"??"').replace("??", "\xff\xfe"), "latin1"))],
    ["closes in the middle of the body", "reset", (s) => s.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"hold":')],
    ["closes in the middle of a chunk", "reset", (s) => s.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n12")],
    ["ends its answer with the connection", "bad-answer", (s) => s.end("HTTP/1.1 200 OK\r\n\r\n12")],
    ["announces a huge body", "too-large", (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"), { responseBytesMax: 1_000 }],
    ["sends a huge body in chunks", "too-large", (s) => s.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n800\r\n${"x".repeat(2_048)}\r\n`), { responseBytesMax: 1_000 }],
    ["redirects", "redirect", (s) => s.write(reply("307 Elsewhere", "", "location: /other\r\n"))],
    ["sends no HTTP at all", "bad-answer", (s) => s.write("+OK ready\r\n")],
    ["sends endless headers", "bad-answer", (s) => s.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`)],
    ["switches protocols", "bad-answer", (s) => s.write("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n")],
    ["resets the connection", "reset", (s) => s.resetAndDestroy()],
    ["closes without an answer", "reset", (s) => s.end()],
    ["never answers", "timeout", () => {}, { responseTimeoutMs: 500 }],
    ["answers one byte at a time, for ever", "timeout", drip, { responseTimeoutMs: 500 }],
    ["stops in the middle of the body", "timeout", (s) => s.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1"), { responseTimeoutMs: 500 }],
    ["answers another call", "bad-answer", (s) => s.write(reply("200 OK", "1", "tripact-answers: order-9%2Freserve;action\r\n"))],
  ];
  for (const [says, code, script, options] of cases) {
    it(`${says}: ${code}`, async () => {
      const stub = await participant(script);
      assert.equal(codeOf(await ask(stub.url, options)), code);
      assert.equal(stub.requests, 1, "asked once, and nobody asked again");
    });
  }

  function drip(socket: Socket): void {
    socket.write("HTTP/1.1 200 OK\r\nx-slow: ");
    const timer = setInterval(() => socket.write("y"), 5);
    socket.once("close", () => clearInterval(timer));
  }

  it("is not there: refused-connection", async () => {
    const server = createServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    assert.equal(codeOf(await ask(url)), "refused-connection");
  });

  it("has no address: host-not-found", async () => {
    assert.equal(codeOf(await ask("http://nobody.invalid:1", { allowHosts: ["nobody.invalid:1"] })), "host-not-found");
  });

  it("accepts the connection and no TLS: connect-timeout", async () => {
    const stub = await participant(() => {});
    assert.equal(codeOf(await ask(stub.url.replace("http:", "https:"), { connectTimeoutMs: 50 })), "connect-timeout");
  });

  it("speaks no TLS: tls", async () => {
    const server = createServer((socket) => void socket.on("error", () => {}).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    const url = await listen(server);
    open.add(() => new Promise((resolve) => server.close(() => resolve())));
    assert.equal(codeOf(await ask(url.replace("http:", "https:"))), "tls");
  });
});

describe("no answer is taken for another call's", () => {
  it("a participant that answers twice at once", async () => {
    const stub = await participant((socket, nth) => socket.write(reply("200 OK", `${nth}`) + reply("200 OK", '"stray"')));
    const calls = transport(stub.url, { keepAliveSockets: 1 });
    for (const round of [1, 2, 3]) {
      const answer = await calls.call(sampleCall(), never);
      // The stray answer may break the connection; it must not become the result.
      assert.ok(answer.kind === "unknown" || (answer.kind === "done" && answer.result === round), JSON.stringify(answer));
    }
  });

  it("a participant of ours whose second answer lies in wait for the next call", async () => {
    const answers = (key: string) => `tripact-answers: ${key}%2Freserve;action\r\n`;
    const stub = await participant((socket, nth) => {
      if (nth === 1) socket.write(reply("200 OK", '"first"', answers("one")));
      else socket.write(reply("200 OK", '"stray"', answers("one")) + reply("200 OK", '"second"', answers("two")));
    });
    const calls = transport(stub.url, { keepAliveSockets: 1 });
    assert.deepEqual(await calls.call(sampleCall({ gid: "one", key: "one/reserve" }), never), { kind: "done", result: "first" });
    assert.equal(codeOf(await calls.call(sampleCall({ gid: "two", key: "two/reserve" }), never)), "bad-answer");
  });

  it("an answer that comes after the call was given up dies with its connection", async () => {
    const late = Promise.withResolvers<Socket>();
    const stub = await participant((socket, nth) => (nth === 1 ? late.resolve(socket) : socket.write(reply("200 OK", '"mine"'))));
    const calls = transport(stub.url, { keepAliveSockets: 1 });
    const controller = new AbortController();
    const first = calls.call(sampleCall(), controller.signal);
    const socket = await late.promise;
    controller.abort(new DOMException("2000 ms are over", "TimeoutError"));
    assert.equal(codeOf(await first), "timeout");
    socket.write(reply("200 OK", '"late"'));
    assert.deepEqual(await calls.call(sampleCall(), never), { kind: "done", result: "mine" });
    assert.equal(stub.connections, 2);
  });
});

describe("connections", () => {
  it("are kept, and never more than allowed", async () => {
    let most = 0;
    const stub: Stub = await participant((socket) => {
      most = Math.max(most, stub.sockets.size);
      setImmediate(() => socket.write(reply("200 OK", "1")));
    });
    const calls = transport(stub.url, { keepAliveSockets: 3 });
    await Promise.all(Array.from({ length: 40 }, () => calls.call(sampleCall(), never)));
    assert.equal(stub.requests, 40);
    assert.equal(most, 3);
    assert.equal(stub.connections, 3);
  });

  it("let a call in flight end when the transport closes, and take no new one", async () => {
    const asked = Promise.withResolvers<Socket>();
    const stub = await participant((socket) => asked.resolve(socket));
    const calls = transport(stub.url);
    const answer = calls.call(sampleCall(), never);
    const socket = await asked.promise;
    await calls.close();
    assert.equal(codeOf(await calls.call(sampleCall(), never)), "closed");
    const closed = once(socket, "close");
    socket.write(reply("200 OK", "1"));
    assert.deepEqual(await answer, { kind: "done", result: 1 });
    await closed;
  });
});

describe("what is refused before anything is sent", () => {
  const refused = (url: string, code: string, options: Partial<HttpTransportOptions> = {}): void => {
    assert.throws(() => httpTransport({ url, secret, ...options }), (error: unknown) => error instanceof TripactError && error.code === code);
  };

  it("a URL that is none, or more than an address", () => {
    for (const url of ["", "wallet", "ftp://localhost/", "file:///etc/passwd", "http://user:pw@localhost/", "http://localhost/?a=1", "http://localhost/#x"]) {
      refused(url, "invalid-option");
    }
  });

  it("a password in a URL is not repeated in the error", () => {
    assert.throws(() => httpTransport({ url: "http://user:hunter2@localhost/", secret }), (error: Error) => !error.message.includes("hunter2"));
  });

  it("limits that are no limits", () => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      refused("http://localhost/", "invalid-option", { responseTimeoutMs: value });
      refused("http://localhost/", "invalid-option", { keepAliveSockets: value });
    }
  });

  it("a short secret", () => refused("http://localhost/", "invalid-option", { secret: "short" }));

  it("a host that is not on the list", () => {
    refused("http://payments.example:80/", "host-not-allowed");
    refused("http://169.254.169.254/", "host-not-allowed");
    refused("http://localhost:81/", "host-not-allowed", { allowHosts: ["localhost:80"] });
  });

  it("a host that was taken off the list, at its next call", async () => {
    const stub = await participant((socket) => socket.write(reply("200 OK", "1")));
    let allowed = true;
    const calls = transport(stub.url, { allowHosts: () => allowed });
    assert.equal((await calls.call(sampleCall(), never)).kind, "done");
    allowed = false;
    assert.equal(codeOf(await calls.call(sampleCall(), never)), "host-not-allowed");
    assert.equal(stub.requests, 1);
  });

  it("a call that cannot be written", async () => {
    const stub = await participant((socket) => socket.write(reply("200 OK", "1")));
    assert.equal(codeOf(await transport(stub.url).call(sampleCall({ gid: "\ud800" }), never)), "bad-call");
    assert.equal(stub.requests, 0);
  });
});
