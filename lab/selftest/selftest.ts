/** The judges judged: every broken variant must be objected to, and its right twin must not. */
import { judge } from "../checkers/judge.ts";
import { openDatabases, type OpenDatabases } from "./miniature/databases.ts";
import { Shop } from "./miniature/shop.ts";
import { World } from "./miniature/world.ts";
import type { Variant } from "./variant.ts";
import { VARIANTS } from "./variants.ts";

export interface DetectionRow {
  readonly variant: string;
  readonly wrong: string;
  /** Judges that objected to the broken one, in the first run in which any did. */
  readonly objected: readonly string[];
  /** How many seeds it took; null: none of them was enough. */
  readonly seedsUntilCaught: number | null;
  /** The seed of that run, which repeats it. */
  readonly caughtBySeed: number | null;
  /** How many runs the right twin had. */
  readonly rightRuns: number;
  /** Who did not find the right twin in order, and with which seed. Empty: it is clean. */
  readonly rightObjections: readonly string[];
}

export interface SelftestOptions {
  /** The first of them. */
  readonly seed: number;
  /** How many are tried. */
  readonly seeds: number;
  readonly variants?: readonly Variant[];
  /** Is told each row as soon as it is known. */
  readonly onRow?: (row: DetectionRow) => void;
  /** Ends it between two runs. */
  readonly signal?: AbortSignal;
}

export class SelftestError extends Error {
  readonly code: "invalid-input" | "broke-off";
  constructor(code: SelftestError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SelftestError";
    this.code = code;
  }
}

export const SEEDS_MAX = 1_000;

/** @throws SelftestError; and what `signal` was aborted with. */
export async function selftest({ seed, seeds, variants = VARIANTS, onRow, signal }: SelftestOptions): Promise<readonly DetectionRow[]> {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new SelftestError("invalid-input", "seed is a whole number from 0");
  if (!Number.isSafeInteger(seeds) || seeds < 1 || seeds > SEEDS_MAX) throw new SelftestError("invalid-input", `seeds is a whole number from 1 to ${SEEDS_MAX}`);
  const open = await openDatabases();
  try {
    const rows: DetectionRow[] = [];
    for (const variant of variants) {
      const row = await detect(open, variant, { seed, seeds, signal });
      rows.push(row);
      onRow?.(row);
    }
    return rows;
  } finally {
    await open.close();
  }
}

export const isClean = ({ rightObjections }: DetectionRow): boolean => rightObjections.length === 0;

/** A variant that nobody caught, or a right one that somebody objected to. */
export const isFailure = (row: DetectionRow): boolean => row.seedsUntilCaught === null || !isClean(row);

interface Tries {
  readonly seed: number;
  readonly seeds: number;
  readonly signal: AbortSignal | undefined;
}

async function detect(open: OpenDatabases, variant: Variant, { seed, seeds, signal }: Tries): Promise<DetectionRow> {
  const all = Array.from({ length: seeds }, (_, index) => seed + index);
  let caught: { readonly seed: number; readonly objected: readonly string[] } | undefined;
  for (const each of all) {
    signal?.throwIfAborted();
    const objected = await objections(open, variant, each, true);
    if (objected.length > 0) caught = { seed: each, objected };
    if (caught !== undefined) break;
  }
  const rightObjections: string[] = [];
  for (const each of all) {
    signal?.throwIfAborted();
    rightObjections.push(...(await objections(open, variant, each, false)).map((objection) => `${objection} (seed ${each})`));
  }
  return {
    variant: variant.name, wrong: variant.wrong, objected: caught?.objected ?? [], seedsUntilCaught: caught === undefined ? null : caught.seed - seed + 1, caughtBySeed: caught?.seed ?? null,
    rightRuns: seeds, rightObjections,
  };
}

/** Who objected. Of a right twin also who could not judge: `unknown` is no acquittal, and for a broken one no detection. */
async function objections({ databases, empty }: OpenDatabases, variant: Variant, seed: number, broken: boolean): Promise<readonly string[]> {
  try {
    await empty();
    const [shop, world] = [new Shop(databases), new World(seed)];
    await variant.run({ shop, world, broken });
    const verdicts = judge(await shop.evidence());
    const against = verdicts.filter(({ verdict }) => verdict === "invalid").map(({ checker }) => checker);
    return broken ? against : [...against, ...verdicts.filter(({ verdict }) => verdict === "unknown").map(({ checker }) => `${checker} could not judge`)];
  } catch (error) {
    throw new SelftestError("broke-off", `${variant.name}, ${broken ? "broken" : "right"}, seed ${seed}: the run broke off`, error);
  }
}
