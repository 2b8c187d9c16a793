import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import test, { after } from "node:test";
import { Client } from "pg";
import { freshDatabase } from "../postgres/fresh-database.ts";
import { afterCommand } from "./postgres-replies.ts";
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
    proxy.delay(200);
    socket.write("first ");
    await echoBeside();
    assert.equal(heard, "");
    proxy.delay(0);
    socket.write("second");
    await until(() => heard.length === "first second".length);
    assert.equal(heard, "first second");
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
