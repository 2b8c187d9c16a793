/** A choreographed saga without databases: barriers as three lines, messages in a bag, any order, any number of times. For laws. */
import fc from "fast-check";
import type { Choreographed, ChoreographedEvent, Publication, StepShape } from "../../src/protocol/choreography/decision.ts";

export interface Script {
  readonly steps: readonly StepShape[];
  readonly refusing: readonly string[];
}

export type Settle = (state: Choreographed, event: ChoreographedEvent) => { readonly state: Choreographed; readonly publish: readonly Publication[] };

/** Up to five steps; each waits for some of those before it. */
export const scripts: fc.Arbitrary<Script> = fc
  .array(fc.record({ mask: fc.nat(31), refuses: fc.integer({ min: 0, max: 3 }) }), { minLength: 1, maxLength: 5 })
  .map((drawn) => {
    const names = ["a", "b", "c", "d", "e"];
    const steps = drawn.map(({ mask }, index) => ({ name: names[index] ?? "", after: names.slice(0, index).filter((_, bit) => (mask & (1 << bit)) !== 0) }));
    return { steps, refusing: steps.filter((_, index) => drawn[index]?.refuses === 0).map(({ name }) => name) };
  });

export interface Life {
  readonly script: Script;
  readonly final: Choreographed;
  readonly states: readonly Choreographed[];
  /** What the initiator published, in order, and what each barrier did. */
  readonly log: readonly string[];
  readonly effects: ReadonlyMap<string, number>;
  /** Every message that was sent: what it says, and of which step. */
  readonly messages: readonly string[];
}

const STEPS_MAX = 2_000;

/** `tape`: what happens next. At its end every message is delivered until nothing is left, and then the deadline comes. */
export function live(script: Script, tape: readonly number[], settle: Settle): Life {
  let state: Choreographed = { kind: "unborn" };
  const states: Choreographed[] = [];
  const log: string[] = [];
  const waiting: string[] = [];
  const sent = new Set<string>();
  const barrier = new Map<string, "done" | "refused" | "tombstone">();
  const undone = new Set<string>();
  const effects = new Map<string, number>();
  const arrived = new Set<string>();

  const send = (message: string): void => {
    if (!sent.has(message)) waiting.push(message);
    sent.add(message);
  };
  const take = (event: ChoreographedEvent): void => {
    const settled = settle(state, event);
    state = settled.state;
    states.push(state);
    for (const publication of settled.publish) {
      const message = "step" in publication ? `${publication.kind} ${publication.step}` : publication.kind;
      log.push(message);
      send(message);
    }
  };
  const act = (step: string): void => {
    if (barrier.has(step)) return;
    const refused = script.refusing.includes(step);
    barrier.set(step, refused ? "refused" : "done");
    if (!refused) effects.set(step, (effects.get(step) ?? 0) + 1);
    send(`${refused ? "refused" : "done"} ${step}`);
  };
  const deliver = (message: string): void => {
    const [kind = "", step = ""] = message.split(" ");
    arrived.add(message);
    if (kind === "undo") {
      if (!barrier.has(step)) barrier.set(step, "tombstone");
      if (barrier.get(step) === "done" && !undone.has(step)) effects.set(step, (effects.get(step) ?? 0) - 1);
      undone.add(step);
      log.push(`did undo ${step}`);
      send(`undone ${step}`);
      return;
    }
    if (kind === "done" || kind === "refused" || kind === "undone") take(kind === "refused" ? { kind, step, code: "no" } : { kind, step });
    for (const next of script.steps) {
      const begins = next.after.length === 0 ? kind === "started" : kind === "done" && next.after.includes(step);
      if (begins && next.after.every((name) => arrived.has(`done ${name}`))) act(next.name);
    }
  };

  take({ kind: "started", steps: script.steps });
  for (const draw of tape) {
    const all = [...sent];
    if (draw % 29 === 0) take({ kind: "cancel-requested", by: "law" });
    else if (draw % 23 === 0) take({ kind: "deadline-reached" });
    else if (draw % 3 === 0) deliver(all[draw % all.length] ?? "started");
    else deliver(waiting.splice(draw % Math.max(waiting.length, 1), 1)[0] ?? "started");
  }
  for (let steps = 0; waiting.length > 0; steps += 1) {
    if (steps > STEPS_MAX) throw new Error(`this life never ends: ${log.join(", ")}`);
    deliver(waiting.shift() ?? "");
  }
  return { script, final: state, states, log, effects, messages: [...sent] };
}
