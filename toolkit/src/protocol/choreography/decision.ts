/**
 * A choreographed saga. Nobody stands in its path: a step begins when the events that it waits for have come. What is decided is
 * decided once, in one row of the service that started it; these functions say how events change that row, and what it publishes.
 *
 *     unborn ── started ──▶ forward ── decided: commit ─────▶ committed
 *       │                      └────── decided: roll-back ──▶ rolling-back ── ended ──▶ rolled-back
 *       └── asked, cancelled ─▶ never-started                   (undone one by one, the last step first)
 *
 * A step, as far as the initiator was told:  open ─▶ done | refused     and after roll back     ─▶ undoing ─▶ undone
 *
 * Events come in any order and more than once. What repeats changes nothing; what contradicts is an `IllegalTransition`.
 */
import { IllegalTransition } from "../errors.ts";
import type { Json } from "../json.ts";
import type { RollBackReason } from "../transaction.ts";

/** What a definition says of a step, as data: which steps must be done before it. None: it begins with the saga. */
export interface StepShape {
  readonly name: string;
  readonly after: readonly string[];
}

export type StepPhase =
  /** Nobody has said anything: it may have happened. */
  | { readonly kind: "open" }
  | { readonly kind: "done"; readonly result?: Json }
  /** Recorded by its barrier, so it surely did not happen and never will. */
  | { readonly kind: "refused"; readonly code: string; readonly details?: Json }
  | { readonly kind: "undoing"; readonly result?: Json }
  | { readonly kind: "undone"; readonly result?: Json };

export interface Step extends StepShape {
  readonly phase: StepPhase;
}

/** Why a choreographed saga rolls back: the reasons of any transaction that can arise here. */
export type UndoReason = Extract<RollBackReason, { kind: "refused" | "cancelled" | "deadline" }>;

export interface Forward {
  readonly kind: "forward";
  readonly steps: readonly Step[];
  readonly rollBack?: UndoReason;
}
export interface RollingBack {
  readonly kind: "rolling-back";
  readonly steps: readonly Step[];
  readonly reason: UndoReason;
}
export interface RolledBack {
  readonly kind: "rolled-back";
  readonly steps: readonly Step[];
  readonly reason: UndoReason;
}
export interface Committed {
  readonly kind: "committed";
  readonly steps: readonly Step[];
}

export type Choreographed =
  | { readonly kind: "unborn" }
  /** A tombstone: somebody asked for it, or cancelled it, before it started. */
  | { readonly kind: "never-started" }
  | Forward
  | Committed
  | RollingBack
  | RolledBack;
export type ChoreographedKind = Choreographed["kind"];

export type ChoreographedEvent =
  | { readonly kind: "started"; readonly steps: readonly StepShape[] }
  | { readonly kind: "asked" }
  /** `led`: the results of the steps that led there, by step. */
  | { readonly kind: "done"; readonly step: string; readonly result?: Json; readonly led?: { readonly [step: string]: Json } }
  | { readonly kind: "refused"; readonly step: string; readonly code: string; readonly details?: Json }
  | { readonly kind: "undone"; readonly step: string }
  | { readonly kind: "cancel-requested"; readonly by: string }
  | { readonly kind: "deadline-reached" }
  | { readonly kind: "decided"; readonly decision: "commit" | "roll-back" }
  | { readonly kind: "undo-published"; readonly step: string }
  | { readonly kind: "ended" };
export type ChoreographedEventKind = ChoreographedEvent["kind"];

/** What the initiator tells the others, in the commit that changes its row. */
export type Publication =
  | { readonly kind: "started" }
  | { readonly kind: "undo"; readonly step: string; readonly reason: UndoReason }
  | { readonly kind: "committed" }
  | { readonly kind: "rolled-back"; readonly reason: UndoReason };

type StateOf<K extends ChoreographedKind> = Extract<Choreographed, { kind: K }>;
type EventOf<K extends ChoreographedEventKind> = Extract<ChoreographedEvent, { kind: K }>;
type Rule<S extends ChoreographedKind, E extends ChoreographedEventKind> = (state: StateOf<S>, event: EventOf<E>) => Choreographed;
type Table = { readonly [S in ChoreographedKind]: { readonly [E in ChoreographedEventKind]?: Rule<S, E> } };

/** A request or a repetition that comes after the fact: it has lost, and changes nothing. */
function tooLate<S extends Choreographed>(state: S): S {
  return state;
}

const table: Table = {
  unborn: {
    started: (_, { steps }) => ({ kind: "forward", steps: checkedSteps(steps).map((step) => ({ ...step, phase: { kind: "open" } })) }),
    asked: () => ({ kind: "never-started" }),
    "cancel-requested": () => ({ kind: "never-started" }),
  },
  "never-started": { asked: tooLate, "cancel-requested": tooLate },
  forward: {
    asked: tooLate,
    done: provenDone,
    refused: (state, event) => wish(onStep(state, event, settledRefused), reasonOf(event)),
    "cancel-requested": (state, { by }) => wish(state, { kind: "cancelled", by }),
    "deadline-reached": (state) => wish(state, { kind: "deadline" }),
    decided: turn,
  },
  committed: {
    asked: tooLate,
    done: provenDone,
    "cancel-requested": tooLate,
    "deadline-reached": tooLate,
  },
  "rolling-back": {
    asked: tooLate,
    done: provenDone,
    refused: (state, event) => onStep(state, event, settledRefused),
    undone: (state, event) => onStep(state, event, settledUndone),
    "cancel-requested": tooLate,
    "deadline-reached": tooLate,
    "undo-published": (state, event) => onStep(state, event, beginUndo),
    ended: ({ steps, reason }) => ({ kind: "rolled-back", steps, reason }),
  },
  "rolled-back": {
    asked: tooLate,
    done: provenDone,
    refused: (state, event) => onStep(state, event, settledRefused),
    undone: (state, event) => onStep(state, event, settledUndone),
    "cancel-requested": tooLate,
    "deadline-reached": tooLate,
  },
};

export function evolve(state: Choreographed, event: ChoreographedEvent): Choreographed {
  // The table pairs each rule with its own state and event; TypeScript cannot follow a lookup by two unions.
  const rule = table[state.kind][event.kind] as Rule<ChoreographedKind, ChoreographedEventKind> | undefined;
  if (rule === undefined) throw new IllegalTransition(state.kind, event.kind);
  return rule(state, event);
}

/** What follows from a state by itself: the next event, and what is published in the same commit. */
export interface Follows {
  readonly event: ChoreographedEvent;
  readonly publish: readonly Publication[];
}

export function decide(state: Choreographed): Follows | undefined {
  switch (state.kind) {
    case "forward":
      if (state.rollBack !== undefined) return { event: { kind: "decided", decision: "roll-back" }, publish: [] };
      if (!state.steps.every(({ phase }) => phase.kind === "done")) return undefined;
      return { event: { kind: "decided", decision: "commit" }, publish: [{ kind: "committed" }] };
    case "rolling-back":
      return nextUndo(state);
    case "unborn":
    case "never-started":
    case "committed":
    case "rolled-back":
      return undefined;
  }
}

/** One after the other: the next undo goes out when the one before it has been done. */
function nextUndo({ steps, reason }: RollingBack): Follows | undefined {
  if (steps.some(({ phase }) => phase.kind === "undoing")) return undefined;
  const last = steps.findLast((step) => mayHaveHappened(steps, step));
  if (last === undefined) return { event: { kind: "ended" }, publish: [{ kind: "rolled-back", reason }] };
  return { event: { kind: "undo-published", step: last.name }, publish: [{ kind: "undo", step: last.name, reason }] };
}

export interface Settled {
  readonly state: Choreographed;
  readonly publish: readonly Publication[];
  /** The decision, if this event brought it about. */
  readonly decided?: "commit" | "roll-back";
}

/** Takes an event and everything that follows from it: one commit. */
export function settle(before: Choreographed, event: ChoreographedEvent): Settled {
  let state = evolve(before, event);
  const publish: Publication[] = event.kind === "started" ? [{ kind: "started" }] : [];
  let decided: "commit" | "roll-back" | undefined;
  // Each round decides, publishes an undo that is then waited for, or ends: never more than three.
  for (let follows = decide(state); follows !== undefined; follows = decide(state)) {
    if (follows.event.kind === "decided") decided = follows.event.decision;
    publish.push(...follows.publish);
    state = evolve(state, follows.event);
  }
  return { state, publish, ...(decided === undefined ? {} : { decided }) };
}

/**
 * False only for what surely did not happen: a step that its barrier refused, or that waits for one that was refused and so never got
 * the event that begins it. An open step may have happened, whether or not the steps before it are known to be done.
 */
export function mayHaveHappened(steps: readonly Step[], step: Step): boolean {
  if (step.phase.kind === "undoing" || step.phase.kind === "undone") return false;
  return !surelyNot(steps, step);
}

function surelyNot(steps: readonly Step[], step: Step): boolean {
  if (step.phase.kind === "refused") return true;
  return step.phase.kind === "open" && step.after.some((name) => steps.some((other) => other.name === name && surelyNot(steps, other)));
}

/** The results that are known, by step. */
export function resultsOf(steps: readonly Step[]): { readonly [step: string]: Json } {
  return Object.fromEntries(steps.flatMap(({ name, phase }) => ("result" in phase && phase.result !== undefined ? [[name, phase.result]] : [])));
}

/** A step waits only for steps that stand before it, so the order of the list is an order of execution, and backwards one of undoing. */
export function checkedSteps(steps: readonly StepShape[]): readonly StepShape[] {
  if (steps.length === 0) throw new IllegalTransition("unborn", "started", "a choreography has at least one step");
  for (const [index, { name, after }] of steps.entries()) {
    const before = steps.slice(0, index).map((step) => step.name);
    if (before.includes(name)) throw new IllegalTransition("unborn", "started", `two steps are called ${name}`);
    const stray = after.find((waitedFor) => !before.includes(waitedFor));
    if (stray !== undefined) throw new IllegalTransition("unborn", "started", `${name} waits for ${stray}, which does not stand before it`);
  }
  return steps;
}

function onStep<S extends Exclude<Choreographed, { kind: "unborn" | "never-started" }>, E extends { readonly kind: string; readonly step: string }>(
  state: S,
  event: E,
  change: (phase: StepPhase, event: E) => StepPhase,
): S {
  const index = state.steps.findIndex(({ name }) => name === event.step);
  const step = state.steps[index];
  if (step === undefined) throw new IllegalTransition(state.kind, event.kind, `no step ${event.step}`);
  const phase = change(step.phase, event);
  // The very same state tells that nothing has to be written.
  return phase === step.phase ? state : { ...state, steps: state.steps.with(index, { ...step, phase }) };
}

/** It could only begin because the steps that it waits for were done, heard of or not; their results have come with it. */
function provenDone<S extends Exclude<Choreographed, { kind: "unborn" | "never-started" }>>(state: S, event: EventOf<"done">): S {
  const { step, led } = event;
  // Of all generations: one that was heard of may stand behind one that was not. Whatever a step waits for stands before it.
  const proven = new Set(led === undefined ? [] : [step]);
  for (const { name, after } of state.steps.toReversed()) if (proven.has(name)) for (const other of after) proven.add(other);
  const unheard = state.steps.filter(({ name, phase }) => name !== step && proven.has(name) && phase.kind === "open");
  const before = unheard.reduce((known, { name }) => onStep(known, { kind: "done", step: name, ...(led?.[name] === undefined ? {} : { result: led[name] }) } satisfies EventOf<"done">, settledDone), state);
  return onStep(before, event, settledDone);
}

function settledDone(phase: StepPhase, { step, result }: EventOf<"done">): StepPhase {
  if (phase.kind === "refused") throw new IllegalTransition(phase.kind, "done", step);
  const known = result === undefined ? {} : { result };
  if (phase.kind === "open") return { kind: "done", ...known };
  // Late news of a step that is being undone: its result belongs to the record, its phase stands.
  return "result" in phase || result === undefined ? phase : { ...phase, ...known };
}

function settledRefused(phase: StepPhase, { step, code, details }: EventOf<"refused">): StepPhase {
  if (phase.kind === "done") throw new IllegalTransition(phase.kind, "refused", step);
  if (phase.kind !== "open") return phase;
  return { kind: "refused", code, ...(details === undefined ? {} : { details }) };
}

function settledUndone(phase: StepPhase, { step }: EventOf<"undone">): StepPhase {
  if (phase.kind === "undone") return phase;
  if (phase.kind !== "undoing") throw new IllegalTransition(phase.kind, "undone", step);
  return { ...phase, kind: "undone" };
}

function beginUndo(phase: StepPhase, { step }: EventOf<"undo-published">): StepPhase {
  if (phase.kind === "open") return { kind: "undoing" };
  if (phase.kind !== "done") throw new IllegalTransition(phase.kind, "undo-published", step);
  return { ...phase, kind: "undoing" };
}

/** The first wish names the reason. */
function wish(state: Forward, reason: UndoReason): Forward {
  return state.rollBack === undefined ? { ...state, rollBack: reason } : state;
}

function reasonOf({ step, code, details }: EventOf<"refused">): UndoReason {
  return { kind: "refused", branch: step, code, ...(details === undefined ? {} : { details }) };
}

/** The one decision. */
function turn({ steps, rollBack }: Forward, { decision }: EventOf<"decided">): Choreographed {
  if (decision === "roll-back") {
    if (rollBack === undefined) throw new IllegalTransition("forward", "decided", "nobody asked to roll back");
    return { kind: "rolling-back", steps, reason: rollBack };
  }
  if (rollBack !== undefined) throw new IllegalTransition("forward", "decided", "somebody asked to roll back first");
  if (!steps.every(({ phase }) => phase.kind === "done")) throw new IllegalTransition("forward", "decided", "a step is not done");
  return { kind: "committed", steps };
}
