import { say } from "../runner.ts";
import { connections } from "./cases.ts";
import { serveConsumer, startConsumer } from "./consuming.ts";
import { Arrivals, closedLoop, openLoop } from "./load.ts";
import type { Commit } from "./load.ts";
import { insertOrder, messageOf, openConnection, openShop, preparedOn } from "./shop.ts";
import { machineMs, taskOfProcess } from "./system.ts";
import type { OutboxSystem, OutboxTask, Query } from "./system.ts";
import { ratesBetween, Tally } from "./tally.ts";
import type { Mark } from "./tally.ts";

/** Long enough for a slow consumer to let its producers run into `undeliveredMax`: what is measured then is what both can keep up. */
const WARM_UP_MS = 2000;
/** How long the rest may take after the last commit. */
const DRAIN_MS = 3000;

/** The whole life of a turn's process, in either role. `runner` is the caller's `import.meta.url`. */
export async function runOutboxSystem(runner: string, system: OutboxSystem): Promise<void> {
  const task = taskOfProcess();
  if (task.role === "consumer") return serveConsumer(system, task);
  await openShop(task.url);
  await system.install(task.url);
  const tally = new Tally();
  const consumer = task.measured.consumed
    ? await startConsumer(runner, process.argv.slice(2), (word) => {
        tally.onDelivered(word);
        if (word.applied !== undefined) tally.onApplied(word.applied);
      })
    : undefined;
  try {
    const produced = produce(system, task, tally);
    await (consumer === undefined ? produced : Promise.race([produced, consumer.ended]));
  } finally {
    consumer?.stop();
  }
  // Senders may leave timers and sockets behind; this process has nothing else to wait for.
  process.exit(0);
}

async function produce(system: OutboxSystem, task: OutboxTask, tally: Tally): Promise<void> {
  const { measured } = task;
  const commit = await openProducers(system, task, tally);
  const held = { ms: 0 };
  const clock = { running: true };
  const running = (): boolean => clock.running;
  const room = (): Promise<void> | undefined => (tally.undelivered < measured.undeliveredMax ? undefined : pause(2));
  const watched = watch(tally, held, task.measureMs).finally(() => (clock.running = false));
  await Promise.all([
    watched,
    measured.load === "open"
      ? openLoop({ connections, commit, arrivals: new Arrivals(task.perSecond, performance.now(), Math.random), running })
      : closedLoop({ connections, commit, room, running, onHeld: (waitedMs) => (held.ms += waitedMs) }),
  ]);
  await drained(tally, measured.consumed);
  const { heldShare, ...marks } = await watched;
  if (measured.load === "open") sayLatencies(tally, marks, task.perSecond);
  else sayFigures(ratesBetween({ open: tally.settled(marks.open), half: tally.settled(marks.half), end: tally.settled(marks.end) }, heldShare, connections * measured.batch));
  await compareWithEffects(task, tally);
}

interface Marks {
  open: Mark;
  half: Mark;
  end: Mark;
}

async function watch(tally: Tally, held: { ms: number }, measureMs: number): Promise<Marks & { heldShare: number }> {
  await pause(WARM_UP_MS);
  const heldBeforeMs = held.ms;
  const open = tally.mark(machineMs());
  await pause(measureMs / 2);
  const half = tally.mark(machineMs());
  await pause(measureMs / 2);
  const end = tally.mark(machineMs());
  return { open, half, end, heldShare: (held.ms - heldBeforeMs) / (connections * (end.atMs - open.atMs)) };
}

/** Connects the producers. A commit: the business row and its messages, in one transaction. */
async function openProducers(system: OutboxSystem, task: OutboxTask, tally: Tally): Promise<Commit> {
  const { batch, payloadBytes } = task.measured;
  const sender = await system.openSender(task);
  const clients: Query[] = [];
  for (let n = 0; n < connections; n += 1) clients.push(preparedOn(await openConnection(task.url)));
  let next = 0;
  return async (connection) => {
    const db = clients[connection];
    if (db === undefined) throw new RangeError(`no connection ${connection}`);
    const first = next;
    next += batch;
    const messages = Array.from({ length: batch }, (_, n) => messageOf(first + n, payloadBytes));
    const [order] = messages;
    if (order === undefined) throw new RangeError("an empty batch");
    // The commit alone waits: it must not go out when one of the others has failed.
    await Promise.all([db("begin", []), insertOrder(db, order), sender.send(db, messages)]);
    await db("commit", []);
    tally.onCommit(first, batch, machineMs());
    sender.committed?.();
  };
}

/** Waits for the rest to be delivered, though not for ever; the last report comes a moment later in any case. */
async function drained(tally: Tally, consumed: boolean): Promise<void> {
  if (!consumed) return;
  for (const endsAt = performance.now() + DRAIN_MS; tally.undelivered > 0 && performance.now() < endsAt; ) await pause(10);
  await pause(50);
}

function sayFigures(figures: object): void {
  for (const [name, value] of Object.entries(figures)) say({ kind: "figure", name, value });
}

function sayLatencies(tally: Tally, { open, end }: Marks, offeredPerSecond: number): void {
  const { latencies, missing } = tally.latencies(open.atMs, end.atMs);
  if (latencies === null || missing > 0) throw new Error(`${missing} of ${missing + (latencies?.count ?? 0)} messages were not delivered ${DRAIN_MS} ms after the last commit`);
  sayFigures({ ...latencies, perSecond: latencies.count / ((end.atMs - open.atMs) / 1000), offeredPerSecond });
}

/** A rate is none if the effects are not there: every delivery that was reported, and after a drained turn every message. */
async function compareWithEffects(task: OutboxTask, tally: Tally): Promise<void> {
  if (!task.measured.consumed) return;
  const { undelivered, delivered, committed } = tally;
  const client = await openConnection(task.url);
  const { rows } = await client.query<{ count: number }>("select count(*)::int as count from shop.handled");
  const effects = rows[0]?.count ?? 0;
  if (effects < delivered || effects > committed) throw new Error(`${effects} effects of ${delivered} deliveries of ${committed} committed messages`);
  say({ kind: "figure", name: "undelivered", value: undelivered });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
