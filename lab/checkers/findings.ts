/** From single findings to a verdict. However many there are, what is kept of them is bounded. */
import type { Checker, Counts, Evidence, Finding, Tally, Verdict } from "./checker.ts";

const EXAMPLES_MAX = 10;
const NOTHING: Tally = { violations: 0, units: 0, cents: 0 };

export interface Found {
  readonly kind: string;
  readonly key: string;
  readonly detail: string;
  readonly units?: number | null | undefined;
  readonly cents?: number | null | undefined;
  readonly atMs?: number;
  /** Where all that is known of several is how many they are. */
  readonly times?: number;
}

export class Findings {
  #checked = 0;
  #total = NOTHING;
  #worst: Finding | undefined;
  #oldestAtMs: number | null = null;
  readonly #kinds: Record<string, Tally> = {};
  readonly #noted: Record<string, number> = {};
  readonly #examples: Finding[] = [];

  looked(things = 1): void {
    this.#checked += things;
  }

  note(name: string, amount: number): void {
    this.#noted[name] = (this.#noted[name] ?? 0) + amount;
  }

  add({ kind, key, detail, units, cents, atMs, times = 1 }: Found): void {
    if (times === 0) return;
    const finding: Finding = { kind, key, detail, units: units ?? 0, cents: cents ?? 0, ...(atMs === undefined ? {} : { atMs }) };
    this.#total = plus(this.#total, finding, times);
    this.#kinds[kind] = plus(this.#kinds[kind] ?? NOTHING, finding, times);
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push(finding);
    if (this.#worst === undefined || isWorse(finding, this.#worst)) this.#worst = finding;
    if (atMs !== undefined) this.#oldestAtMs = Math.min(this.#oldestAtMs ?? atMs, atMs);
  }

  verdict(checker: string): Verdict {
    const counts: Counts = { ...this.#total, checked: this.#checked, kinds: this.#kinds, noted: this.#noted, oldestAtMs: this.#oldestAtMs };
    const [first] = this.#examples;
    if (first !== undefined && this.#worst !== undefined) return { checker, verdict: "invalid", counts, first, worst: this.#worst, examples: this.#examples };
    if (this.#checked === 0) return { checker, verdict: "unknown", counts, why: "there was nothing to look at" };
    return { checker, verdict: "valid", counts };
  }

  unknown(checker: string, why: string): Verdict {
    return { checker, verdict: "unknown", counts: { ...NOTHING, checked: 0, kinds: {}, noted: {}, oldestAtMs: null }, why };
  }
}

function plus(tally: Tally, { units, cents }: Finding, times: number): Tally {
  return { violations: tally.violations + times, units: tally.units + units, cents: tally.cents + cents };
}

function isWorse(one: Finding, other: Finding): boolean {
  return one.units === other.units ? one.cents > other.cents : one.units > other.units;
}

export type Known<Part extends keyof Evidence> = Evidence & { readonly [Each in Part]: NonNullable<Evidence[Each]> };

/** A checker that looks only where every part that it needs was read, and whose history, if it needs one, is not empty. */
export function checking<Part extends keyof Evidence>(name: string, parts: readonly Part[], look: (known: Known<Part>, findings: Findings) => void): Checker {
  return {
    name,
    check(evidence) {
      const findings = new Findings();
      const missing = parts.filter((part) => evidence[part] === null);
      if (missing.length > 0) return findings.unknown(name, `not read: ${missing.join(", ")}`);
      if (parts.some((part) => part === "operations") && evidence.operations?.length === 0) return findings.unknown(name, "the history is empty");
      look(evidence as Known<Part>, findings);
      const verdict = findings.verdict(name);
      // What is missing may be what was wrong. What was found is wrong all the same.
      const gaps = !evidence.historyIsWhole && parts.some((part) => part === "operations" || part === "finals");
      return gaps && verdict.verdict === "valid" ? { ...verdict, verdict: "unknown", why: "the history is not whole" } : verdict;
    },
  };
}

/**
 * A checker of what only some modes leave behind. Where all that it needs was read and none of it is there to look at, it does not apply:
 * which is not to say that anything is right.
 */
export function checkingWherever<Part extends keyof Evidence>(name: string, parts: readonly Part[], look: (known: Known<Part>, findings: Findings) => void): Checker {
  const checker = checking(name, parts, look);
  return {
    name,
    check(evidence) {
      const verdict = checker.check(evidence);
      const nothing = verdict.verdict === "unknown" && parts.every((part) => evidence[part] !== null);
      return nothing ? { ...verdict, verdict: "not-applicable", why: "there is nothing of that kind" } : verdict;
    },
  };
}
