/** All cells of the matrix, from the points that the code itself passes. */
import { Lane, type Cell, type LaneParts, type Role } from "./lane.ts";
import { shapes, type ShapeName } from "./shapes.ts";

export const roles = ["peer alive", "restart only"] as const satisfies readonly Role[];

export interface Interruption {
  readonly shape: ShapeName;
  readonly first: string;
  readonly second?: string;
}

/** Every point at the starter; and, after one crash of it, every point of the recovery at its heir. */
export async function interruptions(lane: Lane): Promise<readonly Interruption[]> {
  const found: Interruption[] = [];
  for (const shape of shapeNames()) {
    const points = await lane.enumerate(shape);
    found.push(...points.map((first) => ({ shape, first })));
    const first = crashToRecover(shape, points);
    const heirs = recoveryIn(await lane.enumerateRecovery(shape, first));
    found.push(...heirs.map((second) => ({ shape, first, second })));
  }
  return found;
}

/** Runs the cells of one role in several lanes side by side, and answers with every violation. `onDone` hears of each cell's end. */
export async function runCells(cells: readonly Cell[], parts: LaneParts, width: number, onDone: () => void = () => undefined): Promise<readonly string[]> {
  const queue = [...cells];
  const lanes = await Promise.all(Array.from({ length: width }, () => Lane.open(parts)));
  try {
    await Promise.all(
      lanes.map(async (lane) => {
        for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
          await lane.run(cell);
          onDone();
        }
      }),
    );
    const found: string[] = [];
    for (const lane of lanes) found.push(...(await lane.violations()));
    return found;
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

/**
 * For flows that commit, an effect that is done and not journaled; for the others, a decision that is journaled and of which nothing is
 * done. Not in the midst of a second phase: there several calls are out, and how far each got differs from run to run.
 */
function crashToRecover(shape: ShapeName, points: readonly string[]): string {
  const forward = points.filter((point) => /^after call .*\.(action|try)$/.test(point));
  const second = points.find((point) => /^before call .*\.(confirm|cancel|compensate)$/.test(point));
  const first = shape === "saga" || shape === "mixed" ? forward[Math.floor(forward.length / 2)] : second;
  if (first === undefined) throw new Error(`${shape} has no such point`);
  return first;
}

/** From the fence to the first answer that the heir has journaled: from there on it is a starter like any other. */
function recoveryIn(points: readonly string[]): readonly string[] {
  const last = points.findIndex((point) => /^after journal\.write (?!recovered)/.test(point));
  // A second fence is chance: a list of nodes that was asked for before the first, and came after it.
  return points.slice(0, last + 1).filter((point) => !/(?:membership\.fence|journal\.claim) #/.test(point));
}

function shapeNames(): readonly ShapeName[] {
  return Object.keys(shapes).filter((name): name is ShapeName => name in shapes);
}
