/**
 * The judge of our own: what must hold of appends whatever the isolation. Elle judges isolation; this judges that an answer is kept.
 * Pure: a history, and the lists as the databases have them when nothing is on its way any more.
 */
import type { Verdict } from "../../checkers/checker.ts";
import { Findings } from "../../checkers/findings.ts";
import type { Lists, MicroOp, Op } from "../history.ts";

export interface AppendsEvidence {
  readonly history: readonly Op[];
  /** Null where they were not read. */
  readonly lists: Lists | null;
  /** Elements that are set aside and were neither shown nor dropped. */
  readonly aside: readonly { readonly key: number; readonly element: number }[];
  /** `saga`: what is undone later may be read before. `tcc`: it may not. */
  readonly mode: "saga" | "tcc";
  /** Nothing was on its way when the lists were read. */
  readonly atRest: boolean;
}

type End = "ok" | "fail" | "info";

interface Appended {
  readonly end: End;
  /** Where it ended in the history. */
  readonly endedAt: number;
}

/** Which elements of which keys were appended, and how that ended. */
type Appends = ReadonlyMap<number, ReadonlyMap<number, Appended>>;

const NAME = "appends";

/**
 * - lost: an append that ended ok is not in its list, at rest.
 * - duplicated: an element is in a list, or in a read, more than once.
 * - phantom: a list, or a read, has an element that nobody has appended, or a list has one whose append is known to have failed.
 * - torn: of a transaction whose end nobody knows, some appends are there and some are not.
 * - out-of-order: a read, without what was undone, is no beginning of its list.
 * - stale: a read lacks an element whose append had ended ok before the read began.
 * - dirty: a read has an element that was undone. By `saga` that is allowed, and noted as `dirtyReads`.
 * - hanging: an element is still set aside.
 */
export function judgeAppends({ history, lists, aside, mode, atRest }: AppendsEvidence): Verdict {
  const findings = new Findings();
  if (lists === null) return findings.unknown(NAME, "not read: lists");
  if (!history.some(({ type }) => type === "ok")) return findings.unknown(NAME, history.length === 0 ? "the history is empty" : "nothing of it has ended ok");
  const appends = appendsIn(history);
  judgeLists(lists, appends, findings);
  judgeTransactions(history, lists, findings);
  for (const { op, invokedAt } of endedOk(history)) {
    for (const [name, key, list] of op.value) if (name === "r") judgeRead({ op, invokedAt, key, list: list ?? [] }, { lists, appends, mode }, findings);
  }
  for (const { key, element } of aside) findings.add({ kind: "hanging", key: String(key), detail: `${element} is still set aside` });
  const verdict = findings.verdict(NAME);
  // What is on its way may still put things right, or wrong.
  return atRest || verdict.verdict === "invalid" ? verdict : { checker: NAME, verdict: "unknown", counts: verdict.counts, why: "it never came to rest" };
}

function appendsIn(history: readonly Op[]): Appends {
  const appends = new Map<number, Map<number, Appended>>();
  for (const { type, value, index } of history) {
    for (const [name, key, element] of value) {
      if (name !== "append") continue;
      const ofKey = appends.get(key) ?? new Map<number, Appended>();
      appends.set(key, ofKey);
      // One that has begun and not ended is one of which nobody knows the end.
      ofKey.set(element, type === "invoke" ? { end: "info", endedAt: Infinity } : { end: type, endedAt: index });
    }
  }
  return appends;
}

function judgeLists(lists: Lists, appends: Appends, findings: Findings): void {
  for (const [key, list] of lists) {
    findings.looked();
    for (const element of repeated(list)) findings.add({ kind: "duplicated", key: String(key), detail: `${element} is in the list more than once` });
    for (const element of new Set(list)) {
      const end = appends.get(key)?.get(element)?.end;
      if (end === undefined) findings.add({ kind: "phantom", key: String(key), detail: `nobody has appended ${element}` });
      else if (end === "fail") findings.add({ kind: "phantom", key: String(key), detail: `${element} is there, and its append has failed` });
    }
  }
}

function judgeTransactions(history: readonly Op[], lists: Lists, findings: Findings): void {
  const infos = new Map<number, Op>();
  for (const op of history) {
    if (op.type === "invoke") infos.set(op.process, op);
    else if (op.type !== "info") infos.delete(op.process);
    if (op.type !== "ok") continue;
    findings.looked();
    for (const [name, key, element] of op.value) {
      if (name === "append" && lists.get(key)?.includes(element) !== true) findings.add({ kind: "lost", key: String(key), detail: `${element} was appended (operation ${op.index}), and is not there`, atMs: op.timeNs / 1e6 });
    }
  }
  for (const { index, value } of infos.values()) {
    const there = value.filter((op) => op[0] === "append").map(([, key, element]) => lists.get(key)?.includes(element) === true);
    if (there.length === 0) continue;
    findings.looked();
    findings.note(there.includes(true) ? "unknownAndThere" : "unknownAndNotThere", 1);
    if (there.includes(true) && there.includes(false)) findings.add({ kind: "torn", key: `operation ${index}`, detail: `of ${there.length} appends ${there.filter(Boolean).length} are there` });
  }
}

interface Read {
  readonly op: Op;
  readonly invokedAt: number;
  readonly key: number;
  readonly list: readonly number[];
}

function judgeRead({ op, invokedAt, key, list }: Read, { lists, appends, mode }: { readonly lists: Lists; readonly appends: Appends; readonly mode: "saga" | "tcc" }, findings: Findings): void {
  findings.looked();
  const say = (kind: string, detail: string): void => findings.add({ kind, key: String(key), detail: `operation ${op.index} read ${detail}`, atMs: op.timeNs / 1e6 });
  for (const element of repeated(list)) say("duplicated", `${element} more than once`);
  const [known, last] = [appends.get(key), lists.get(key) ?? []];
  const stays = new Set(last);
  let dirty = false;
  for (const element of new Set(list)) {
    const end = known?.get(element)?.end;
    if (end === undefined) say("phantom", `${element}, which nobody has appended`);
    // One that ended ok and is not there any more is lost, which is said elsewhere.
    else if (end !== "ok" && !stays.has(element)) dirty = true;
  }
  if (dirty && mode === "tcc") say("dirty", `${list.join(" ")}, of which something was undone`);
  else if (dirty) findings.note("dirtyReads", 1);
  const kept = [...new Set(list)].filter((element) => stays.has(element));
  if (kept.some((element, place) => last[place] !== element)) say("out-of-order", `${list.join(" ")}; in the end it is ${last.join(" ")}`);
  const seen = new Set(list);
  for (const [element, { end, endedAt }] of known ?? []) if (end === "ok" && endedAt < invokedAt && !seen.has(element)) say("stale", `${list.join(" ")}, without ${element}, which was there before`);
}

/** With where it began: a process has one operation at a time. */
function* endedOk(history: readonly Op[]): Generator<{ readonly op: Op; readonly invokedAt: number }> {
  const begun = new Map<number, number>();
  for (const op of history) {
    if (op.type === "invoke") begun.set(op.process, op.index);
    else if (op.type === "ok") yield { op, invokedAt: begun.get(op.process) ?? op.index };
  }
}

function repeated(list: readonly number[]): readonly number[] {
  const seen = new Set<number>();
  return list.filter((element) => isRepeated(seen, element));
}

function isRepeated<Each>(seen: Set<Each>, each: Each): boolean {
  const before = seen.size;
  return seen.add(each).size === before;
}

/** What a history must be for anybody to judge it, in a sentence; undefined where it is. */
export function malformed(history: readonly Op[]): string | undefined {
  const open = new Map<number, readonly MicroOp[]>();
  const gone = new Set<number>();
  const appended = new Set<string>();
  let lastNs = 0;
  for (const { index, type, process, value, timeNs } of history) {
    if (timeNs < lastNs) return `operation ${index} is before the one before it`;
    lastNs = timeNs;
    if (gone.has(process)) return `operation ${index}: process ${process} is heard of again, though nobody knows how its last one ended`;
    const asked = open.get(process);
    if (type === "invoke") {
      if (asked !== undefined) return `operation ${index}: process ${process} has one open already`;
      open.set(process, value);
      for (const [name, key, what] of value) {
        if (name === "append" && isRepeated(appended, `${key} ${what}`)) return `operation ${index} appends ${what} to ${key} a second time`;
        if (name === "r" && what !== null) return `operation ${index} knows what it will read`;
      }
      continue;
    }
    if (asked === undefined) return `operation ${index}: process ${process} ends what it has not begun`;
    if (value.length !== asked.length || value.some(([name, key, what], place) => name !== asked[place]?.[0] || key !== asked[place][1] || (name === "append" && what !== asked[place][2]))) return `operation ${index} answers something else than was asked`;
    open.delete(process);
    if (type === "info") gone.add(process);
  }
  return undefined;
}
