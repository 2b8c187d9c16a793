/**
 * All orders, not some: from each state that a saga can be in, every message that was ever sent is delivered once more to each of its
 * receivers, and the saga is cancelled, and its deadline comes. A delivery that changes nothing leads back to the same state, so any
 * number of duplicates at any time is covered. Each of these commits is first tried with a crash before it, which must leave no trace.
 */
import type { Envelope } from "tripact/choreography";
import type { Setup, Order } from "./purchase.ts";
import { places, type Effect, type Place, type Service, type View, type World } from "./world.ts";

export type Move = { readonly kind: "deliver"; readonly to: string; readonly message: string } | { readonly kind: "cancel" } | { readonly kind: "deadline" };

export interface Found {
  readonly states: number;
  readonly commits: number;
  readonly ends: ReadonlySet<string>;
  readonly violations: readonly string[];
}

export interface Options {
  readonly wishes: readonly ("cancel" | "deadline")[];
  /** Stops at the first violation that says this. Default: any. */
  readonly until?: RegExp;
}

const STATES_MAX = 5_000;
let sagas = 0;

/** One life of the saga under a gid of its own. */
interface Life {
  readonly gid: string;
  readonly delivered: Set<string>;
  readonly views: Map<Place, View>;
}

export async function explore(world: World, setup: Setup, order: Order, { wishes, until = /./ }: Options): Promise<Found> {
  const seen = new Set<string>();
  const ends = new Set<string>();
  const violations: string[] = [];
  const waiting: { readonly life: Life; readonly path: readonly Move[] }[] = [{ life: await replay([]), path: [] }];
  let commits = 0;
  let busy = 0;

  function visit(life: Life, path: readonly Move[]): void {
    const state = stateOf(life);
    if (seen.has(state)) return;
    if (seen.size >= STATES_MAX) throw new Error(`more than ${STATES_MAX} states: something grows without end`);
    seen.add(state);
    waiting.push({ life, path });
    const sent = sentIn(life);
    const effects = [...life.views.values()].flatMap((view) => view.effects);
    const wrong = [...violationsOf(sent, effects), ...(isQuiet(life, setup) ? unendedIn(state, sent, effects, ends) : [])];
    violations.push(...wrong.map((violation) => `${violation}\n    after ${path.map(wordsOf).join(", ")}`));
  }

  async function expand(reached: Life, path: readonly Move[]): Promise<void> {
    let life: Life | undefined = reached;
    // What is known to change nothing comes first: it uses up no life.
    const moves = movesOf(reached, setup, wishes).toSorted((a, b) => Number(isRepeated(reached, b)) - Number(isRepeated(reached, a)));
    for (const move of moves) {
      life ??= await replay(path);
      const before = stateOf(life);
      if (!isRepeated(life, move)) {
        await crash(world, setup, life, move);
        if (stateOf(life) !== before) violations.push(`a crash left a trace: ${wordsOf(move)}`);
      }
      await make(world, setup, life, move);
      commits += 1;
      if (stateOf(life) === before) continue;
      visit(life, [...path, move]);
      life = undefined;
    }
  }

  async function replay(path: readonly Move[]): Promise<Life> {
    const life: Life = { gid: `saga-${++sagas}`, delivered: new Set(), views: new Map() };
    await world.open.orders((db) => setup.starter.start(db, life.gid, order));
    for (const place of places) life.views.set(place, await world.look(place, life.gid));
    for (const move of path) await make(world, setup, life, move);
    return life;
  }

  async function worker(): Promise<void> {
    while (!violations.some((violation) => until.test(violation))) {
      const next = waiting.pop();
      if (next === undefined && busy === 0) return;
      if (next === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
      busy += 1;
      try {
        await expand(next.life, next.path);
      } finally {
        busy -= 1;
      }
    }
  }
  await Promise.all([worker(), worker(), worker()]);
  return { states: seen.size, commits, ends, violations };
}

/** A message sent twice with the same content is one message here, as it is for whoever receives it. */
function contentOf({ topic, payload }: Envelope): string {
  return `${topic} ${payload}`;
}

function sentIn(life: Life): readonly Envelope[] {
  return [...life.views.values()].flatMap((view) => view.messages);
}

function messagesIn(life: Life): ReadonlyMap<string, Envelope> {
  return new Map(sentIn(life).toReversed().map((message) => [contentOf(message), message]));
}

function stateOf(life: Life): string {
  const rows = [...life.views.values()].map((view) => view.rows);
  return [...rows, ...[...messagesIn(life).keys()].toSorted(), ...[...life.delivered].toSorted()].join("\n").replaceAll(life.gid, "gid");
}

/** Delivered before: the commit itself must change nothing, so a crash before it cannot. */
function isRepeated(life: Life, move: Move): boolean {
  return move.kind === "deliver" && life.delivered.has(`${move.to} < ${move.message}`);
}

function movesOf(life: Life, setup: Setup, wishes: Options["wishes"]): readonly Move[] {
  const deliveries = setup.services.flatMap(({ name, topics }) =>
    [...messagesIn(life)].flatMap(([message, { topic }]): Move[] => (hears(topics, topic) ? [{ kind: "deliver", to: name, message }] : [])),
  );
  return [...deliveries, ...wishes.map((kind): Move => ({ kind }))];
}

function hears(topics: readonly string[], topic: string): boolean {
  return topics.some((pattern) => (pattern.endsWith("*") ? topic.startsWith(pattern.slice(0, -1)) : topic === pattern));
}

function isQuiet(life: Life, setup: Setup): boolean {
  return movesOf(life, setup, []).every((move) => isRepeated(life, move));
}

async function crash(world: World, setup: Setup, life: Life, move: Move): Promise<void> {
  const { place, work } = workOf(setup, life, move);
  const crashed = world.open[place](async (db) => {
    await work(db);
    throw new Crash("before the commit");
  });
  await crashed.catch((error: unknown) => {
    if (!(error instanceof Crash)) throw error;
  });
  life.views.set(place, await world.look(place, life.gid));
}

class Crash extends Error {}

async function make(world: World, setup: Setup, life: Life, move: Move): Promise<void> {
  const { place, work } = workOf(setup, life, move);
  await world.open[place](work);
  if (move.kind === "deliver") life.delivered.add(`${move.to} < ${move.message}`);
  life.views.set(place, await world.look(place, life.gid));
}

function workOf(setup: Setup, life: Life, move: Move): { place: Service["place"]; work: (db: Parameters<Service["handle"]>[0]) => Promise<unknown> } {
  const { gid } = life;
  if (move.kind === "cancel") return { place: "orders", work: (db) => setup.starter.cancel(db, gid) };
  if (move.kind === "deadline") {
    return {
      place: "orders",
      async work(db) {
        await db.execute("update tripact.choreography set deadline_at = clock_timestamp() - interval '1 s' where gid = $1 and state = 'forward'", [gid]);
        const { failed } = await setup.starter.sweep(db, 1);
        if (failed[0] !== undefined) throw failed[0].error;
      },
    };
  }
  const service = setup.services.find(({ name }) => name === move.to);
  const envelope = messagesIn(life).get(move.message);
  if (service === undefined || envelope === undefined) throw new Error(`nothing to deliver: ${wordsOf(move)}`);
  return { place: service.place, work: (db) => service.handle(db, envelope) };
}

export function wordsOf(move: Move): string {
  return move.kind === "deliver" ? `${move.message.split(" ")[0]} to ${move.to}` : move.kind;
}

/** What must hold in every state, by the messages that were sent and by the effects that the databases hold. */
export function violationsOf(all: readonly Envelope[], effects: readonly Effect[]): string[] {
  const topics = all.map(({ topic }) => topic.replace("purchase.", ""));
  const count = (topic: string): number => topics.filter((each) => each === topic).length;
  const wrong: string[] = [];
  for (const topic of ["started", "committed", "rolled-back", ...["reserve", "charge"].flatMap((step) => [`${step}.done`, `${step}.refused`, `${step}.undo`])]) {
    if (count(topic) > 1) wrong.push(`${topic} was sent ${count(topic)} times`);
  }
  const undoes = topics.filter((topic) => topic.endsWith(".undo"));
  if (count("committed") > 0 && (undoes.length > 0 || count("rolled-back") > 0)) wrong.push("decided twice: committed, and undone");
  if (count("charge.undo") > 0 && count("reserve.undo") > 0) {
    if (undoes.indexOf("charge.undo") > undoes.indexOf("reserve.undo")) wrong.push("undone in the wrong order");
    if (count("charge.undone") === 0) wrong.push("the next undo went out before the last one was done");
  }
  for (const { topic, payload } of all) {
    const reason = /"reason":\{"kind":"refused","branch":"(\w+)"/.exec(payload)?.[1];
    if (reason !== undefined && topic === `purchase.${reason}.undo`) wrong.push(`${reason} was refused, and is undone`);
  }
  for (const step of ["reserve", "charge"]) {
    const of = effects.filter((effect) => effect.step === step).map(({ what }) => what.split(" ")[0]);
    if (!["", "action", "action,undo"].includes(of.join())) wrong.push(`${step}: ${of.join(", then ")}`);
  }
  return wrong;
}

/** Everything was delivered: it has to be over, and the ledgers have to agree. */
function unendedIn(state: string, all: readonly Envelope[], effects: readonly Effect[], ends: Set<string>): string[] {
  const ended = all.find(({ topic }) => topic === "purchase.committed" || topic === "purchase.rolled-back")?.topic;
  if (ended === undefined) return [`stuck: everything was delivered, and it is not over\n${state}`];
  const ledger = effects.map(({ step, what }) => `${step} ${what}`).join(", ");
  ends.add(`${ended.replace("purchase.", "")}: ${ledger}`);
  const left = ["reserve", "charge"].map((step) => effects.filter((effect) => effect.step === step).length % 2);
  const order = effects.filter(({ step }) => step === "order").map(({ what }) => what.split(" ")[0]);
  const wanted = ended === "purchase.committed" ? { left: 1, order: "placed" } : { left: 0, order: "cancelled" };
  return left.every((each) => each === wanted.left) && order.join() === wanted.order ? [] : [`${ended}, and what is left is: ${ledger}`];
}
