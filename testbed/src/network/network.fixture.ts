/** In a private network, for its test: real sockets behind real rules. Prints one line of JSON, what arrived. With `--stay` it then waits to be killed. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { spawnLeashed } from "../leash/leash.ts";
import { losePackets } from "./firewall.ts";
import { inPrivateNetwork } from "./private-network.ts";
import { socketsOf } from "./sockets.ts";

const HOST = "127.0.0.1";
const SENT = 2_000;
const AT_ONCE = 40;
const SILENCE_MS = 400;

/** Whether what is said at one end is heard at the other; never, where it is silent for a while. */
async function hears(server: Server, direction: "asked" | "answered"): Promise<boolean> {
  const caller = connect(portOf(server), HOST);
  caller.on("error", () => undefined);
  const silence = new Promise<false>((resolve) => setTimeout(resolve, SILENCE_MS, false));
  const heard = direction === "asked" ? once(server, "connection") : once(caller, "data");
  try {
    return await Promise.race([heard.then(() => true), silence]);
  } finally {
    caller.destroy();
  }
}

async function listening(server: Server): Promise<Server> {
  server.listen(0, HOST);
  await once(server, "listening");
  return server;
}

function portOf(server: Server | Socket): number {
  return (server.address() as AddressInfo).port;
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, HOST);
  await once(socket, "listening");
  return socket;
}

/** Datagrams, for TCP would send them again. A marker that nothing loses comes last of a handful, into the same socket, whose buffer holds but a few hundred. */
async function arrivedOf(sent: number, percent: number): Promise<number> {
  const [lossy, sure, receiver] = await Promise.all([bound(), bound(), bound()]);
  let arrived = 0;
  let marked = (): void => undefined;
  receiver.on("message", (_, from) => (from.port === portOf(sure) ? marked() : (arrived += 1)));
  const letPass = await losePackets({ percent, packets: [{ kind: "from", port: portOf(lossy) }] });
  for (let left = sent; left > 0; left -= AT_ONCE) {
    const allSent = Array.from({ length: AT_ONCE }, () => new Promise((resolve) => lossy.send("x", portOf(receiver), HOST, resolve)));
    await Promise.all(allSent);
    await new Promise<void>((resolve) => {
      marked = resolve;
      sure.send("x", portOf(receiver), HOST);
    });
  }
  await letPass();
  for (const socket of [lossy, sure, receiver]) socket.close();
  return arrived;
}

/** A connection that is open, beside another one to the same server, while only the first is silenced. */
async function oneConnection(): Promise<{ readonly silenced: boolean; readonly other: boolean; readonly healed: boolean }> {
  const server = await listening(createServer((socket) => socket.on("error", () => undefined).pipe(socket)));
  const open = async (): Promise<ReturnType<typeof connect>> => {
    const socket = connect(portOf(server), HOST);
    await once(socket, "connect");
    return socket;
  };
  const [first, second] = [await open(), await open()];
  const known = socketsOf(process.pid).connections.filter(({ remotePort }) => remotePort === portOf(server)).map(({ localPort }) => localPort);
  if (!known.includes(first.localPort ?? 0) || !known.includes(second.localPort ?? 0)) throw new Error(`sockets not found: ${known.join()}`);
  const letPass = await losePackets({ packets: [{ kind: "connection", ports: [first.localPort ?? 0, portOf(server)] }] });
  const echo = async (socket: typeof first): Promise<boolean> => {
    socket.write("x");
    return Promise.race([once(socket, "data").then(() => true), new Promise<false>((resolve) => setTimeout(resolve, SILENCE_MS, false))]);
  };
  const [silenced, other] = [!(await echo(first)), await echo(second)];
  const late = once(first, "data");
  await letPass();
  await letPass();
  const healed = await late.then(() => true);
  for (const socket of [first, second]) socket.destroy();
  server.close();
  return { silenced, other, healed };
}

async function ways(): Promise<Readonly<Record<string, boolean>>> {
  const server = await listening(createServer((socket) => socket.on("error", () => undefined).end("hello")));
  const port = portOf(server);
  const found: Record<string, boolean> = { before: await hears(server, "answered") };
  let letPass = await losePackets({ packets: [{ kind: "from", port }] });
  found["answered while answers are lost"] = await hears(server, "answered");
  await letPass();
  letPass = await losePackets({ packets: [{ kind: "to", port }] });
  found["asked while questions are lost"] = await hears(server, "asked");
  await letPass();
  found["after"] = await hears(server, "answered");
  found["knows where it listens"] = socketsOf(process.pid).listening.includes(port);
  server.close();
  return found;
}

const staying = process.argv.includes("--stay");
const child = staying ? await spawnLeashed({ command: "sleep", args: ["1000"], keepsParentAlive: false }) : undefined;
const report = staying ? {} : { ways: await ways(), arrived: await arrivedOf(SENT, 5), oneConnection: await oneConnection() };
console.log(JSON.stringify({ inPrivateNetwork: inPrivateNetwork(), network: readlinkSync("/proc/self/ns/net"), child: child?.pid, ...report }));
if (staying) setInterval(() => undefined, 1_000);
