/** The driver of plans: given the state, the next events. It keeps nothing itself, so any node can go on with any plan. */
import { fingerprint, type Json } from "./json.ts";
import { isReference, type Plan, type PlanBranch } from "./plan-shape.ts";
import type { Branch, Forward, Offer, TransactionEvent } from "./transaction.ts";

export type { Plan, PlanBranch } from "./plan-shape.ts";

/** What the plan asks for next; nothing while a group is still open. `newId` makes message ids. */
export function drivePlan(plan: Plan, state: Forward, newId: () => string): readonly TransactionEvent[] {
  const branches = new Map(state.branches.map((branch) => [branch.name, branch]));
  const refused = state.branches.find((branch) => branch.phase.kind === "refused");
  if (refused?.phase.kind === "refused") {
    const { code, details } = refused.phase;
    const reason = { kind: "refused" as const, branch: refused.name, code, ...(details === undefined ? {} : { details }) };
    return [{ kind: "roll-back-requested", reason }];
  }
  let emitted = 0;
  const events: TransactionEvent[] = [];
  for (const group of plan.groups) {
    for (const item of group) {
      if (item.kind === "emit") {
        emitted += 1;
        if (emitted > state.messages.length) events.push(emission(item, branches, newId()));
        continue;
      }
      const branch = branches.get(item.name);
      if (branch === undefined) events.push(registration(item, branches));
    }
    if (!group.every((item) => item.kind === "emit" || isOver(branches.get(item.name)))) return events;
  }
  const result = Object.fromEntries(state.branches.map((branch) => [branch.name, resultOf(branch)]));
  return [...events, { kind: "commit-requested", result }];
}

function isOver(branch: Branch | undefined): boolean {
  return branch?.phase.kind === "done" || branch?.phase.kind === "skipped";
}

function registration(item: Exclude<PlanBranch, { kind: "emit" }>, branches: ReadonlyMap<string, Branch>): TransactionEvent {
  const offer = offerOf(item, branches);
  const input = "target" in offer ? offer.target?.payload : undefined;
  return { kind: "registered", branch: item.name, offer, inputHash: fingerprint(input) };
}

function offerOf(item: Exclude<PlanBranch, { kind: "emit" }>, branches: ReadonlyMap<string, Branch>): Offer {
  if (item.kind === "sleep") return { kind: "timer", afterMs: item.ms };
  const target = { participant: item.participant, payload: resolve(item.payload, branches) };
  const guard = item.guard ?? "barrier";
  switch (item.kind) {
    case "step":
      return { kind: "step", guard, undo: item.undo === "nothing" ? "nothing" : "target", target };
    case "pivot":
      return { kind: "pivot", guard, target };
    case "tcc":
      return { kind: "tcc", guard, target, ...(item.expiresAfterMs === undefined ? {} : { expiresAfterMs: item.expiresAfterMs }) };
  }
}

function emission(item: Extract<PlanBranch, { kind: "emit" }>, branches: ReadonlyMap<string, Branch>, id: string): TransactionEvent {
  return { kind: "emitted", id, topic: item.topic, key: item.key, payload: resolve(item.payload, branches), headers: item.headers ?? {} };
}

/** Puts results in the place of references. A pointer into nothing gives null: the participant decides what that means. */
function resolve(payload: Json, branches: ReadonlyMap<string, Branch>): Json {
  if (typeof payload !== "object" || payload === null) return payload;
  if (isReference(payload)) {
    const branch = branches.get(payload.$resultOf);
    return pointed(branch === undefined ? null : resultOf(branch), payload.at ?? "");
  }
  if (Array.isArray(payload)) return payload.map((item: Json) => resolve(item, branches));
  return Object.fromEntries(Object.entries(payload).map(([key, value]) => [key, resolve(value, branches)]));
}

function resultOf(branch: Branch): Json {
  return branch.phase.kind === "done" ? (branch.phase.result ?? null) : null;
}

function pointed(value: Json, pointer: string): Json {
  let at: Json = value;
  for (const raw of pointer.split("/").slice(1)) {
    const key = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    // Own and enumerable: the length of a list is no member of it.
    if (typeof at !== "object" || at === null || !Object.prototype.propertyIsEnumerable.call(at, key)) return null;
    at = (at as { readonly [key: string]: Json })[key] ?? null;
  }
  return at;
}
