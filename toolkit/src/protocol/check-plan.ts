import { TripactError } from "./errors.ts";
import { checkBranch } from "./ids.ts";
import { NESTING_MAX, type Json } from "./json.ts";
import { isReference, type Plan, type PlanBranch } from "./plan-shape.ts";

const BRANCHES_MAX = 1_000;
const KINDS = new Set(["step", "pivot", "tcc", "sleep", "emit"]);

/** Checks a plan at the door, before anything is written. Throws `invalid-plan`, naming the group and the branch. */
export function checkPlan(input: unknown): Plan {
  if (typeof input !== "object" || input === null || !Array.isArray((input as { groups?: unknown }).groups)) {
    throw wrong("a plan is an object with `groups`, a list of lists of branches", "plan");
  }
  const groups = (input as { groups: unknown[] }).groups;
  if (groups.length === 0) throw wrong("a plan has at least one group", "groups");
  const seen = new Set<string>();
  let pivot: string | undefined;
  let count = 0;
  for (const [g, group] of groups.entries()) {
    if (!Array.isArray(group) || group.length === 0) throw wrong("a group is a list of at least one branch", `groups[${g}]`);
    const before = new Set(seen);
    for (const [b, item] of group.entries()) {
      const where = `groups[${g}][${b}]`;
      count += 1;
      if (count > BRANCHES_MAX) throw wrong(`at most ${BRANCHES_MAX} branches`, where);
      const branch = checkItem(item, where);
      if (branch.kind === "emit") {
        checkReferences(branch.payload, before, where);
        continue;
      }
      checkBranch(branch.name);
      if (seen.has(branch.name)) throw wrong(`two branches are named ${branch.name}`, where);
      seen.add(branch.name);
      if (branch.kind === "sleep") continue;
      checkReferences(branch.payload, before, where);
      if (branch.kind === "pivot") {
        if (pivot !== undefined) throw wrong(`a second pivot, after ${pivot}`, where);
        if (group.length > 1) throw wrong("a pivot runs alone: give it a group of its own", where);
        pivot = branch.name;
      } else if (pivot !== undefined && branch.kind === "tcc") {
        throw wrong(`a try after the pivot ${pivot} could not be cancelled`, where);
      }
    }
  }
  return input as Plan;
}

/** The shape of one branch; the casts below stand for the checks around them. */
function checkItem(item: unknown, where: string): PlanBranch {
  if (typeof item !== "object" || item === null) throw wrong("a branch is an object", where);
  const it = item as Readonly<Record<string, unknown>>;
  if (typeof it["kind"] !== "string" || !KINDS.has(it["kind"])) throw wrong(`kind is one of ${[...KINDS].join(", ")}`, where);
  if (it["kind"] === "emit") {
    if (typeof it["topic"] !== "string" || typeof it["key"] !== "string") throw wrong("an emit has a topic and a key", where);
    if (it["payload"] === undefined) throw wrong("an emit has a payload (null is one)", where);
    if (it["headers"] !== undefined && !isTextByName(it["headers"])) throw wrong("an emit's headers are texts by name", where);
    return item as PlanBranch;
  }
  if (typeof it["name"] !== "string") throw wrong("a branch has a name", where);
  if (it["kind"] === "sleep") {
    if (!isDuration(it["ms"])) throw wrong("ms is a number of milliseconds, not negative", where);
    return item as PlanBranch;
  }
  if (typeof it["participant"] !== "string" || it["participant"] === "") throw wrong("participant is a name or a URL", where);
  if (it["payload"] === undefined) throw wrong("payload is missing (null is one)", where);
  if (it["guard"] !== undefined && it["guard"] !== "barrier" && it["guard"] !== "unguarded") throw wrong("guard is barrier or unguarded", where);
  if (it["kind"] === "step" && it["undo"] !== "compensate" && it["undo"] !== "nothing") {
    throw wrong('a step says its undo: "compensate", or "nothing" where nothing has to be undone', where);
  }
  if (it["kind"] === "tcc" && it["expiresAfterMs"] !== undefined && !isDuration(it["expiresAfterMs"])) {
    throw wrong("expiresAfterMs is a number of milliseconds, not negative", where);
  }
  return item as PlanBranch;
}

function isTextByName(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((text) => typeof text === "string");
}

function isDuration(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function checkReferences(payload: Json, earlier: ReadonlySet<string>, where: string, level = 0): void {
  if (typeof payload !== "object" || payload === null) return;
  if (level >= NESTING_MAX) throw wrong(`a payload is nested more than ${NESTING_MAX} levels deep`, where);
  if (!isReference(payload)) {
    for (const [key, value] of Object.entries(payload)) checkReferences(value, earlier, `${where}.${key}`, level + 1);
    return;
  }
  if (typeof payload.$resultOf !== "string" || !earlier.has(payload.$resultOf)) {
    throw wrong(`$resultOf refers to ${JSON.stringify(payload.$resultOf)}, which no earlier group has`, where);
  }
  if (payload.at !== undefined && (typeof payload.at !== "string" || !/^(\/|$)/.test(payload.at))) {
    throw wrong("`at` is a JSON pointer (RFC 6901), such as /id", where);
  }
}

function wrong(what: string, where: string): TripactError {
  return new TripactError("invalid-plan", `This plan cannot run: ${what}.`, { where });
}
