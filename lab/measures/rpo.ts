/** What a client was promised and did not get, as a checker found it. */
export interface Lost {
  readonly key: string;
  /** When it should have been sent, by the client's clock; null where nobody knows. */
  readonly intentMs: number | null;
  readonly units: number;
  readonly cents: number;
}

export type Rpo =
  | {
      readonly kind: "known";
      readonly operations: number;
      readonly units: number;
      readonly cents: number;
      /** How long before the fault the oldest lost one was sent, so how far back the state went; 0 for those after it, null without a known one. */
      readonly oldestMs: number | null;
      /** Of the operations, those whose time nobody knows. */
      readonly undated: number;
    }
  /** Nobody could judge. It is no zero. */
  | { readonly kind: "unknown"; readonly because: string };

/**
 * @param lost null where the checker could not judge. A key that is named twice was lost once, with the larger of what is said of it.
 * @param faultMs on the same clock as the intents
 */
export function rpoOf(lost: readonly Lost[] | null, faultMs: number): Rpo {
  if (lost === null) return { kind: "unknown", because: "what was lost was not judged" };
  const once = new Map<string, Lost>();
  for (const each of lost) {
    const said = once.get(each.key);
    once.set(each.key, said === undefined ? each : merged(said, each));
  }
  const all = [...once.values()];
  const ages = all.flatMap(({ intentMs }) => (intentMs === null ? [] : [Math.max(0, faultMs - intentMs)]));
  return {
    kind: "known",
    operations: all.length,
    units: sum(all, ({ units }) => units),
    cents: sum(all, ({ cents }) => cents),
    oldestMs: ages.length === 0 ? null : ages.reduce((oldest, age) => Math.max(oldest, age), 0),
    undated: all.length - ages.length,
  };
}

/** The worst of several runs in each figure by itself. One that nobody could judge leaves the worst unknown, unless something was lost anyway. */
export function worstRpo(runs: readonly Rpo[]): Rpo {
  const known = runs.filter((run) => run.kind === "known");
  const unknown = runs.find((run) => run.kind === "unknown");
  const most = (figure: (run: (typeof known)[number]) => number): number => Math.max(0, ...known.map(figure));
  if (known.length === 0) return unknown ?? { kind: "unknown", because: "there was no run" };
  if (unknown !== undefined && most(({ operations }) => operations) === 0) return unknown;
  const ages = known.flatMap(({ oldestMs }) => (oldestMs === null ? [] : [oldestMs]));
  return {
    kind: "known",
    operations: most(({ operations }) => operations),
    units: most(({ units }) => units),
    cents: most(({ cents }) => cents),
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
    undated: most(({ undated }) => undated),
  };
}

function merged(one: Lost, other: Lost): Lost {
  const times = [one.intentMs, other.intentMs].filter((ms) => ms !== null);
  return {
    key: one.key,
    intentMs: times.length === 0 ? null : Math.min(...times),
    units: Math.max(one.units, other.units),
    cents: Math.max(one.cents, other.cents),
  };
}

function sum(all: readonly Lost[], figure: (lost: Lost) => number): number {
  return all.reduce((total, each) => total + figure(each), 0);
}
