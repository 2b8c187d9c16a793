/** The views at the end of a run, when its servers are down: each starts what it needs, and its part goes into the run's results. */
import { ladderView } from "../ladder/view.ts";
import { profileView } from "../profile/view.ts";
import type { ViewName, Views } from "../results/views.ts";
import { selftestView } from "../selftest/view.ts";
import type { Progress } from "../start/progress.ts";
import type { View } from "../views/view.ts";
import { walView } from "../wal/view.ts";
import type { RunFolder } from "./keeping/folder.ts";
import type { LabPlan } from "./planning/options.ts";

const VIEWS: Readonly<Record<ViewName, View>> = { selftest: selftestView, profile: profileView, wal: walView, ladder: ladderView };

export interface Looking {
  readonly plan: Pick<LabPlan, "views" | "quick" | "seed">;
  readonly folder: RunFolder;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Looked {
  /** Is told each part as soon as it is known. */
  readonly onPart: (part: Partial<Views>) => void;
  /** And what could not be had. */
  readonly onMissed: (why: string) => void;
}

export async function lookAtViews({ plan, folder, progress, signal }: Looking, { onPart, onMissed }: Looked): Promise<void> {
  for (const name of plan.views) {
    if (signal.aborted) return onMissed(`interrupted before the view ${name}`);
    progress.now(`view ${name}`);
    try {
      const prepared = VIEWS[name].prepare(argsOf(name, plan));
      const { part } = await prepared.measure({ onProgress: (text) => progress.now(`view ${name}: ${text}`), print: () => undefined, signal, folder: folder.path });
      onPart(part);
    } catch (error) {
      if (signal.aborted) return onMissed(`interrupted in the view ${name}`);
      const why = `view ${name}: ${error instanceof Error ? error.message : String(error)}`;
      progress.say(`not measured: ${why}`);
      onMissed(why);
    }
  }
}

function argsOf(name: ViewName, { quick, seed }: Looking["plan"]): readonly string[] {
  const short = quick ? (VIEWS[name].quickArgs ?? []) : [];
  // The selftest keeps its own: with few seeds that anybody may have drawn, the shyest of its variants would be missed by chance.
  return name === "selftest" ? short : [...short, "--seed", String(seed)];
}
