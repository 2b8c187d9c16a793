/** What has been measured so far, as the results that are on disk after every run. */
import type { Fault } from "../../faults/fault.ts";
import type { ModeName } from "../../platform/mode-processes.ts";
import { calibrated } from "../../results/calibrated.ts";
import { cellOf } from "../../results/cell.ts";
import { overviewOf } from "../../results/overview/overview.ts";
import type { Cell, Results, RunRecord } from "../../results/results.ts";
import { laterViews, NO_VIEWS, type Views } from "../../results/views.ts";

type Given = Pick<Results, "run" | "commit" | "seed" | "startedAt" | "quick" | "machine" | "versions" | "settings" | "notPossibleHere">;

export class Gathered {
  readonly #given: Given;
  /** In the order in which they are to be shown. */
  readonly #cells: readonly { readonly mode: ModeName; readonly fault: Fault; readonly records: RunRecord[] }[];
  readonly #problems: string[] = [];
  #views: Views = NO_VIEWS;

  constructor(given: Given, modes: readonly ModeName[], faults: readonly Fault[]) {
    this.#given = given;
    this.#cells = modes.flatMap((mode) => faults.map((fault) => ({ mode, fault, records: [] })));
  }

  add(mode: ModeName, fault: Fault, record: RunRecord): void {
    this.#cells.find((cell) => cell.mode === mode && cell.fault === fault)?.records.push(record);
  }

  addViews(views: Partial<Views>): void {
    this.#views = laterViews(this.#views, views);
  }

  /** Something that was asked for was not measured. */
  missed(why: string): void {
    this.#problems.push(why);
  }

  /** @param unfinished why it is not the end, where it is not */
  results(unfinished?: string): Results {
    const cells = calibrated(this.#cells.flatMap(({ mode, fault, records }): readonly Cell[] => (records.length === 0 ? [] : [cellOf({ mode, fault: fault.name, mechanism: fault.mechanism }, records)])));
    const problems = unfinished === undefined ? this.#problems : [...this.#problems, unfinished];
    return {
      schema: 2,
      ...this.#given,
      endedAt: new Date().toISOString(),
      appended: [],
      incomplete: problems.length === 0 ? null : problems.join("; "),
      cells,
      ...overviewOf(cells),
      views: this.#views,
    };
  }
}

/** Naive promises nothing. */
export function brokenPromises(cells: readonly Cell[]): readonly string[] {
  return cells.filter(({ mode, verdict }) => mode !== "naive" && verdict !== "valid").map(({ mode, fault, verdict, records }) => {
    const worst = records.find((record) => record.verdict === verdict);
    const why = worst?.violations[0];
    const said = why === undefined ? (worst?.notJudged[0] ?? "") : `${why.checker}, ${why.kind} ${why.key}: ${why.detail}`;
    return `${mode} under ${fault} is ${verdict}: ${said}\n  again: ${worst?.replay}`;
  });
}

/** Variants of the selftest that nobody objected to, or whose right twin somebody did. */
export function judgesAsleep({ views }: Pick<Results, "views">): readonly string[] {
  return (views.selftest?.detection ?? []).flatMap(({ variant, caught, rightObjections }) => [
    ...(caught ? [] : [`nobody objected to "${variant}"`]),
    ...(rightObjections.length === 0 ? [] : [`the right twin of "${variant}" was objected to by ${rightObjections.join(", ")}`]),
  ]);
}
