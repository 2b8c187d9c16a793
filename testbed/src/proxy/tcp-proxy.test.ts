import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import test, { after } from "node:test";
import { Client } from "pg";
import { freshDatabase } from "../postgres/fresh-database.ts";
import { NarrowLane } from "./narrow-lane.ts";
import { afterCommand, afterCommit } from "./postgres-replies.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

const echoed: Socket[] = [];
const echo = createServer((socket) => {
  echoed.push(socket);
  socket.on("error", () => {}); // the proxy resets what is open at its end
  socket.pipe(socket);
});
echo.listen(0, "127.0.0.1");
await once(echo, "listening");
const database = await freshDatabase("proxy");
const dialled: Socket[] = [];
after(async () => {
  for (const socket of dialled) socket.destroy();
  echo.close();
  await database.drop();
});

test("passes bytes both ways, and an end as an end", async () => {
  await withProxy(echo, async (proxy) => {
    const socket = await dial(proxy);
    const large = Buffer.alloc(4_000_000, "x");
    socket.end(large);
    let received = 0;
    for await (const chunk of socket) received += (chunk as Buffer).length;
    assert.equal(received, large.length);
    await until(() => proxy.openConnections === 0);
  });
});

test("refuses new connections and keeps the open one, until it passes again", async () => {
  await withProxy(echo, async (proxy) => {
    const open = await dial(proxy);
    await proxy.refuse();
    await assert.rejects(dial(proxy), { code: "ECONNREFUSED" });
    assert.equal(await echoOf(open, "still"), "still");
    await proxy.pass();
    assert.equal(await echoOf(await dial(proxy), "again"), "again");
  });
});

test("resets open and new connections", async () => {
  await withProxy(echo, async (proxy) => {
    const open = await dial(proxy);
    await echoOf(open, "up");
    const failed = once(open, "error");
    await proxy.reset();
    assert.match(String(await failed), /ECONNRESET/);
    const late = connect(proxy.port, proxy.host);
    const [lateError] = await once(late, "error");
    assert.match(String(lateError), /ECONNRESET/);
  });
});

test("a black hole accepts and moves nothing either way; healed, it delivers what was sent", async () => {
  await withProxy(echo, async (proxy) => {
    const open = await dial(proxy);
    await echoOf(open, "up");
    const serverSide = echoed.at(-1);
    await proxy.blackHole();
    const late = await dial(proxy);
    const heard = new Set<string>();
    for (const socket of [open, late]) socket.on("data", (bytes) => heard.add(String(bytes)));
    serverSide?.write("pushed");
    late.write("held");
    await echoBeside();
    assert.deepEqual(heard, new Set());
    await proxy.pass();
    await until(() => heard.size === 2);
    assert.deepEqual(heard, new Set(["held", "pushed"]));
  });
});

test("a black hole in one direction: requests are lost, or only the answers", async () => {
  await withProxy(echo, async (proxy) => {
    for (const direction of ["to-server", "to-caller"] as const) {
      const open = await dial(proxy);
      await echoOf(open, "up");
      const serverSide = echoed.at(-1);
      const arrived: string[] = [];
      serverSide?.on("data", (bytes) => arrived.push(String(bytes)));
      await proxy.blackHole(direction);
      const late = await dial(proxy);
      const heard = new Set<string>();
      for (const socket of [open, late]) socket.on("data", (bytes) => heard.add(String(bytes)));
      open.write("asked");
      late.write("late");
      if (direction === "to-caller") await until(() => arrived.includes("asked"));
      else serverSide?.write("pushed");
      if (direction === "to-server") await until(() => heard.has("pushed"));
      await echoBeside();
      assert.deepEqual([arrived, heard], direction === "to-caller" ? [["asked"], new Set()] : [[], new Set(["pushed"])]);
      await proxy.pass();
      await until(() => heard.has("asked") && heard.has("late"));
    }
  });
});

test("stranded connections move nothing, and new ones pass", async () => {
  await withProxy(echo, async (proxy) => {
    const open = await dial(proxy);
    await echoOf(open, "up");
    let heard = "";
    open.on("data", (bytes) => (heard += String(bytes)));
    proxy.strand();
    open.write("held");
    assert.equal(await echoOf(await dial(proxy), "new"), "new");
    await echoBeside();
    assert.equal(heard, "");
    await proxy.pass();
    await until(() => heard === "held");
  });
});

test("a delay holds, and lifting it keeps the order", async () => {
  await withProxy(echo, async (proxy) => {
    const socket = await dial(proxy);
    await echoOf(socket, "up");
    let heard = "";
    socket.on("data", (bytes) => (heard += String(bytes)));
    proxy.delay(1_000);
    socket.write("first ");
    await echoBeside();
    assert.equal(heard, "");
    proxy.delay(0);
    socket.write("second");
    await until(() => heard.length === "first second".length);
    assert.equal(heard, "first second");
  });
});

test("a narrow wire carries so many bytes a second of all connections together; healed, what it held is there at once", async () => {
  await withProxy(echo, async (proxy) => {
    const [one, other] = [await dial(proxy), await dial(proxy)];
    for (const socket of [one, other]) await echoOf(socket, "up");
    const heard = new Map<Socket, string>([[one, ""], [other, ""]]);
    const all = (): string => [...heard.values()].join("");
    for (const socket of heard.keys()) socket.on("data", (bytes) => heard.set(socket, heard.get(socket) + String(bytes)));
    proxy.narrow(2_000);
    const text = "0123456789".repeat(700);
    for (const socket of heard.keys()) socket.write(text);
    await until(() => all().length > 0);
    assert.ok(all().length < text.length, "it trickles in");
    await proxy.pass();
    await until(() => all().length === 2 * text.length);
    assert.deepEqual([...heard.values()], [text, text]);
    proxy.narrow(20_000);
    for (const word of [" one", " two"]) {
      one.write(word);
      await until(() => heard.get(one)?.endsWith(word) === true);
    }
    proxy.narrow(1);
    const held = "held".repeat(25);
    for (const socket of heard.keys()) socket.write(held);
    await echoBeside();
    assert.ok(!all().includes("held"));
    await proxy.pass();
    await until(() => [...heard.values()].every((said) => said.endsWith(held)));
    one.write(held);
    await until(() => heard.get(one)?.endsWith(held + held) === true);
    assert.throws(() => proxy.narrow(0), { name: "RangeError", message: /bytesPerSecond/ });
  });
});

test("on a narrow lane whoever comes later waits behind what is under way", () => {
  const lane = new NarrowLane(10_000);
  assert.equal(lane.take(1_000, 5_000), 100);
  assert.equal(lane.take(500, 5_020), 130);
  assert.equal(lane.take(500, 6_000), 50);
});

test("a judge of each connection sees both directions, and what it cuts does not arrive", async () => {
  await withProxy(echo, async (proxy) => {
    const open = await dial(proxy);
    await echoOf(open, "up");
    const seen: string[] = [];
    proxy.intercept(() => {
      let words = 0;
      return (direction, bytes) => {
        words += 1;
        seen.push(`${words} ${direction} ${String(bytes)}`);
        return String(bytes) === "stop" ? "cut" : "forward";
      };
    });
    const late = await dial(proxy);
    assert.equal(await echoOf(open, "one"), "one");
    assert.equal(await echoOf(late, "two"), "two");
    const arrived: string[] = [];
    echoed.at(-1)?.on("data", (bytes) => arrived.push(String(bytes)));
    const failed = once(late, "error");
    late.write("stop");
    assert.match(String(await failed), /ECONNRESET/);
    await echoBeside();
    assert.deepEqual(arrived, []);
    assert.deepEqual(seen, ["1 to-server one", "2 to-caller one", "1 to-server two", "2 to-caller two", "3 to-server stop"]);
    await proxy.pass();
    assert.equal(await echoOf(open, "stop"), "stop");
  });
});

test("goes to another server after retarget", async () => {
  const other = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("other");
  });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  await withProxy(echo, async (proxy) => {
    proxy.retarget({ host: "127.0.0.1", port: portOf(other) });
    assert.equal(await read(await dial(proxy), 5), "other");
  });
  other.close();
});

test("cut after commit, before the reply: the caller sees a lost connection, the row is there", async () => {
  const url = new URL(database.url);
  await withProxy({ host: url.hostname, port: Number(url.port) }, async (proxy) => {
    const direct = new Client({ connectionString: database.url });
    await direct.connect();
    await direct.query("create table paid (id int)");
    url.port = String(proxy.port);
    const client = new Client({ connectionString: url.href });
    client.on("error", () => {});
    await client.connect();
    const cut = proxy.cutAfter(afterCommand(/^COMMIT$/));
    await client.query("begin");
    await client.query("insert into paid select generate_series(1, 3)");
    assert.equal((await client.query("select repeat('x', 100000)")).rowCount, 1);
    await assert.rejects(client.query("commit"), /ECONNRESET|terminated/);
    await cut;
    assert.deepEqual((await direct.query("select id from paid")).rows, [{ id: 1 }, { id: 2 }, { id: 3 }]);

    const next = new Client({ connectionString: url.href });
    await next.connect();
    await next.query("begin");
    await next.query("commit");
    await Promise.all([next.end(), direct.end()]);
  });
});

test("the end of a commit is known by whether anything is open then, however the replies are cut into chunks", async () => {
  const message = (type: string, body: string): Buffer => {
    const head = Buffer.from(`${type}....`);
    head.writeUInt32BE(4 + body.length, 1);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  const ended = (tag: string, state: string): Buffer => Buffer.concat([message("C", `${tag}\0`), message("Z", state)]);
  const picked = (...chunks: readonly Buffer[]): readonly boolean[] => {
    const picks = afterCommit()();
    return chunks.map((chunk) => picks(chunk));
  };
  assert.deepEqual(picked(ended("BEGIN", "T"), ended("INSERT 0 1", "T"), ended("COMMIT", "I"), ended("SELECT 1", "I")), [false, false, true, false]);
  assert.deepEqual(picked(ended("INSERT 0 1", "I"), ended("UPDATE 0", "I"), ended("UPDATE 12", "I")), [true, false, true]);
  assert.deepEqual(picked(ended("INSERT 0 1", "T"), ended("ROLLBACK", "I")), [false, false]);
  const whole = Buffer.concat([message("T", "x".repeat(300)), message("D", "CCCCZZZZ"), ended("COMMIT", "I")]);
  const bytes = Array.from(whole, (_, index) => whole.subarray(index, index + 1));
  assert.deepEqual(picked(...bytes).filter(Boolean), [true]);
  assert.equal(picked(...bytes).at(-1), true);
  // Armed in the middle of a row.
  assert.deepEqual(picked(Buffer.from([0, 0, 0, 0, 1, 2, 3]), ended("COMMIT", "I")), [false, true]);
});

async function withProxy(target: Server | { host: string; port: number }, use: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  const proxy = await startProxy({ target: "port" in target ? target : { host: "127.0.0.1", port: portOf(target) } });
  try {
    await use(proxy);
  } finally {
    await proxy.close();
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function dial({ host, port }: { host: string; port: number }): Promise<Socket> {
  const socket = connect(port, host);
  dialled.push(socket);
  await once(socket, "connect");
  socket.on("error", () => {}); // the proxy resets what is open at its end
  return socket;
}

async function echoOf(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return read(socket, text.length);
}

/** Past the proxy, a few times over: whatever was to come through it would have come by then. */
async function echoBeside(): Promise<void> {
  const beside = await dial({ host: "127.0.0.1", port: portOf(echo) });
  for (const text of ["one", "two", "three", "four", "five"]) assert.equal(await echoOf(beside, text), text);
  beside.destroy();
}

async function read(socket: Socket, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    const [chunk] = await once(socket, "data");
    text += String(chunk);
  }
  return text;
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error("waited 10 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
