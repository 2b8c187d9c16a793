/**
 * Every order of prepare, local work, submit, abort and the check-back's answers, with the caller's process killed at each of its port
 * calls, and the one that takes over as well. What must hold is one sentence: the message is sent, once, if and only if the work is done.
 */
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { ORDER, Theatre, TOPICS, type Caller, type Manner, type Node } from "../../test/memory/two-phase.ts";

/** What the caller does after its `prepare`, in order. `other …` is said by another process, by gid. Nobody who has worked aborts. */
type Act = "work" | "submit" | "abort" | "other submit" | "other abort" | "pause" | "long pause";
const PAUSE_MS: Readonly<Partial<Record<Act, number>>> = { pause: 500, "long pause": 4_000 };

const LIVES: readonly (readonly Act[])[] = [
  [],
  ["work"],
  ["work", "submit"],
  ["work", "submit", "submit"],
  ["pause", "work", "pause", "submit"],
  ["long pause", "work", "submit"],
  ["work", "long pause", "submit"],
  ["long pause", "work"],
  ["work", "other submit"],
  ["work", "submit", "other submit"],
  ["work", "long pause", "other submit"],
  ["abort"],
  ["abort", "abort"],
  ["pause", "abort", "other abort"],
  ["long pause", "abort"],
  ["other abort"],
  ["abort", "other submit"],
];
const MANNERS: readonly Manner[] = ["entombs", "patient", "away"];

interface Run {
  readonly theatre: Theatre;
  readonly first: Node;
  /** What the acts were told, as far as the caller lived. */
  readonly told: string[];
  readonly wrong: string[];
}

/** Lives one life; `kills` are port calls of the first process, and of the one that is there to take over. */
async function live(acts: readonly Act[], manner: Manner, kills: readonly (number | undefined)[], spoil: (theatre: Theatre) => void = () => undefined): Promise<Run> {
  const theatre = new Theatre(manner);
  spoil(theatre);
  const { local, gid } = theatre;
  const [first, second] = [theatre.boot(kills[0]), theatre.boot(kills[1])];
  const run: Run = { theatre, first, told: [], wrong: [] };
  let through = false;
  theatre
    .call(first, (caller) => act(run, acts, caller, second))
    .then(
      () => (through = true),
      (error: unknown) => run.wrong.push(`the caller was told ${String(error)}`),
    );
  let replaced = false;
  const rests = (): boolean => {
    if (second.process.dead && !replaced) {
      replaced = true;
      theatre.boot();
    }
    return (through || first.process.dead || run.wrong.length > 0) && theatre.nowMs > 5_000 && (theatre.status === undefined || theatre.isEnded);
  };
  if (!(await theatre.until(rests))) run.wrong.push(`stuck: ${theatre.status}`);
  // Whatever a dead process had on its way may still land.
  await theatre.pass(5_000);
  const sent = theatre.sent.length === 0 ? "none" : theatre.sent.join() === TOPICS.join() ? "once" : theatre.sent.join();
  if (sent !== (local.isDone(gid) ? "once" : "none")) run.wrong.push(`work ${local.isDone(gid) ? "done" : "not done"}, sent ${sent}, ${theatre.status}`);
  if (local.isDone(gid) && local.isEntombed(gid)) run.wrong.push("done after its tombstone");
  return run;
}

async function act({ theatre, told, wrong }: Run, acts: readonly Act[], { tripact, gid, pause }: Caller, second: Node): Promise<void> {
  const { points, local } = theatre;
  const prepared = await points.prepare(tripact, ORDER, { gid });
  const say: Readonly<Partial<Record<Act, () => Promise<{ readonly kind: string }>>>> = {
    submit: () => prepared.submit(),
    abort: () => prepared.abort(),
    "other submit": async () => await points.submit(await second.tripact, gid),
    "other abort": async () => await points.abort(await second.tripact, gid),
  };
  for (const name of acts) {
    // A work that finds its tombstone has nothing to submit.
    if (name === "work" && !local.work(gid)) return void told.push("entombed");
    await pause(PAUSE_MS[name] ?? 1);
    const kind = await say[name]?.().then((outcome) => outcome.kind, (error: { readonly code?: string; readonly message: string }) => error.code ?? error.message);
    if (kind === undefined) continue;
    told.push(`${name}: ${kind}`);
    // What is answered is journaled, and the messages with it.
    if (kind === "committed" && theatre.sent.length !== TOPICS.length) wrong.push(`${name} was told ${kind} before anything was sent`);
    if (kind === "committed" && theatre.status !== "committed") wrong.push(`${name} was told ${kind}, the journal says ${theatre.status}`);
    if (kind === "rolled-back" && theatre.status !== "rolled-back") wrong.push(`${name} was told ${kind}, the journal says ${theatre.status}`);
  }
}

/** Every life with every manner, killed at every port call of its first process, and, for each of those, `second` more of its heir. */
async function violations(lives: readonly (readonly Act[])[], heirs: (index: number) => readonly (number | undefined)[], spoil?: (theatre: Theatre) => void): Promise<{ readonly runs: number; readonly wrong: string[] }> {
  const wrong: string[] = [];
  let runs = 0;
  for (const acts of lives) {
    for (const manner of MANNERS) {
      const one = async (kills: readonly (number | undefined)[]): Promise<Run> => {
        const run = await live(acts, manner, kills, spoil);
        runs += 1;
        const at = kills.map((kill, index) => (kill === undefined ? "-" : (run.theatre.nodes[index]?.reached[kill] ?? `#${kill}`))).join(" then ");
        wrong.push(...run.wrong.map((what) => `prepare ${acts.join(" ")} (${manner}), killed at ${at}: ${what}; ${run.told.join()}`));
        return run;
      };
      const calm = await one([undefined]);
      for (const index of calm.first.reached.keys()) for (const heir of heirs(index)) await one([index, heir]);
    }
  }
  return { runs, wrong };
}

describe("a two-phase message, in every order and killed everywhere", () => {
  it("is sent once if its work is done, and never if it is not", async () => {
    const { runs, wrong } = await violations(LIVES, () => [undefined]);
    assert.deepEqual(wrong, []);
    assert.ok(runs > 300, String(runs));
  });

  it("is so when the one that takes over dies too", async () => {
    const { runs, wrong } = await violations([["work"], ["work", "submit"], ["abort"], ["work", "other submit"]], () => [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(wrong, []);
    assert.ok(runs > 300, String(runs));
  });

  it("tells those who say something how it ended, without a crash", async () => {
    const told = async (acts: readonly Act[], manner: Manner): Promise<string[]> => (await live(acts, manner, [])).told;
    assert.deepEqual(await told(["work", "long pause", "submit"], "entombs"), ["submit: committed"]);
    assert.deepEqual(await told(["long pause", "work", "submit"], "entombs"), ["entombed"]);
    assert.deepEqual(await told(["long pause", "work", "submit"], "patient"), ["submit: committed"]);
    assert.deepEqual(await told(["long pause", "abort"], "entombs"), ["abort: rolled-back"]);
    assert.deepEqual(await told(["pause", "abort", "other abort"], "away"), ["abort: rolled-back", "other abort: rolled-back"]);
    assert.deepEqual(await told(["abort", "other submit"], "entombs"), ["abort: rolled-back", "other submit: message-aborted"]);
  });

  it("rings where the local work does not look for its tombstone", async () => {
    const { wrong } = await violations([["long pause", "work", "submit"]], () => [undefined], ({ local }) => (local.checksTombstones = false));
    assert.match(wrong.join("\n"), /work done, sent none/);
  });
});
