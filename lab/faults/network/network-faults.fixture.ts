/** In a private network, for its test: each fault on stand-in services, real sockets and a real firewall. Prints one line of JSON, what was seen. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { removeLeashedFolder } from "@tripact/testbed";
import { startDatabases } from "../../platform/databases.ts";
import { startPlatform } from "../../platform/platform.ts";
import { fixtureServices } from "../../platform/services.fixture.ts";
import { FAULTS, faultNamed } from "../all.ts";
import { FaultError, type Heal } from "../fault.ts";

const HOST = "127.0.0.1";
const SILENCE_MS = 500;
const BACK_CAP_MS = 20_000;

const callers: Socket[] = [];
const called = createServer((socket) => callers.push(socket.on("error", () => undefined)));
called.listen(0, HOST);
await once(called, "listening");

const servicesFolder = fixtureServices();
const databases = await startDatabases({ servers: "single", endpoint: "proxied" });
const extra = { orders: { CALLS: String((called.address() as AddressInfo).port) } };
const platform = await startPlatform({ mode: "outbox", databases, servicesFolder, seed: 1, wires: FAULTS.flatMap(({ wires }) => wires), restartAfterMs: 50, extra });

function inject(name: string, victim: string): Promise<Heal> {
  const fault = faultNamed(name);
  if (fault === undefined) throw new FaultError("nothing-to-hit", `there is no fault ${name}`);
  const why = fault.notPossible();
  if (why !== undefined) throw new FaultError("nothing-to-hit", why);
  return fault.inject({ platform, databases, watch: { timeline: [], state: "watching" }, random: () => 0 }, victim);
}

async function answers(port: number, capMs = SILENCE_MS): Promise<boolean> {
  return fetch(`http://${HOST}:${port}/health`, { signal: AbortSignal.timeout(capMs) }).then(({ ok }) => ok, () => false);
}

/** Everybody may get a word in, and it says none: neither data, nor an end, nor a reset. */
async function staysSilent(sockets: readonly Socket[]): Promise<boolean> {
  const heard = sockets.flatMap((socket) => ["data", "end", "close", "error"].map((event) => once(socket, event).then(() => false, () => false)));
  return Promise.race([...heard, new Promise<true>((resolve) => setTimeout(resolve, SILENCE_MS, true))]);
}

function portOf(from: string, toName: string): number {
  return platform.wires.find((wire) => wire.from === from && wire.toName === toName)?.proxy.port ?? 0;
}

const stock = Number(new URL(platform.origins["stock"] ?? "").port);
function rules(): readonly string[] {
  return execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }).split("\n").filter((line) => line.includes("drop"));
}

async function partitioned(name: string): Promise<unknown> {
  const kept = connect(portOf("orders", "stock"), HOST).on("error", () => undefined);
  await once(kept, "connect");
  const heal = await inject(name, "stock");
  kept.write("GET /health HTTP/1.1\r\nhost: stock\r\n\r\n");
  const silent = await staysSilent([kept]);
  const during = { silent, orders: await answers(portOf("orders", "stock")), relays: await answers(portOf("relay", "stock")), itself: await answers(stock, BACK_CAP_MS), rules: rules().length };
  const late = once(kept, "data");
  await heal();
  await heal();
  await late;
  kept.destroy();
  return { ...during, answersLate: true, healed: await answers(portOf("orders", "stock"), BACK_CAP_MS), left: rules() };
}

async function lossy(name: string): Promise<unknown> {
  const heal = await inject(name, "network");
  const ports = [...platform.wires.map(({ proxy }) => proxy.port), databases.proxy?.port ?? 0];
  const hit = rules();
  const missed = ports.filter((port) => !["th dport", "th sport"].every((what) => hit.some((rule) => rule.includes(`${what} ${port} numgen random mod 100 < 5 drop`))));
  const fromMs = performance.now();
  const answered = await answers(portOf("gateway", "orders-1"), BACK_CAP_MS);
  const tookMs = performance.now() - fromMs;
  await heal();
  await heal();
  return { answered, missed, extraRules: hit.length - 2 * ports.length, bothDelays: tookMs >= 400, left: rules() };
}

async function hostLost(): Promise<unknown> {
  const process = platform.processes.get("orders-1");
  const port = Number(new URL(platform.origins["orders-1"] ?? "").port);
  const before = process?.pid;
  const asking = connect(port, HOST).on("error", () => undefined);
  await once(asking, "connect");
  const heal = await inject("host-lost", "orders-1");
  // Of the two workers' connections to us, one is that of the lost one; nobody hears of its death.
  const silent = await staysSilent([asking, ...callers]);
  asking.write("GET /health HTTP/1.1\r\n\r\n");
  const during = { callersKnown: callers.length, silent: silent && (await staysSilent([asking])), down: process?.pid === undefined, refusesOrAnswers: await answersAtAll(port), other: await answers(Number(new URL(platform.origins["orders-2"] ?? "").port), BACK_CAP_MS) };
  await heal();
  await heal();
  asking.destroy();
  return { ...during, anotherOne: process?.pid !== undefined && process.pid !== before, healed: await answers(port, BACK_CAP_MS), left: rules() };
}

/** Even a refusal would be an answer. */
async function answersAtAll(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  const said = Promise.race([once(socket, "connect"), once(socket, "error")]).then(() => true, () => true);
  try {
    return await Promise.race([said, new Promise<false>((resolve) => setTimeout(resolve, SILENCE_MS, false))]);
  } finally {
    socket.destroy();
  }
}

try {
  const seen = {
    "partition-dropped": await partitioned("partition-dropped"),
    "replies-dropped": await partitioned("replies-dropped"),
    loss: await lossy("loss"),
    "delay-and-loss": await lossy("delay-and-loss"),
    "host-lost": await hostLost(),
  };
  console.log(JSON.stringify(seen));
} finally {
  for (const socket of callers) socket.destroy();
  called.close();
  await platform.stop();
  await databases.stop();
  removeLeashedFolder(servicesFolder);
}
