/** All cells of the matrix, from the points that the code itself passes. */
import { scenes, type Role, type SceneName } from "./scenes.ts";
import { Track, type Cell, type TrackParts } from "./track.ts";

/** What a relay does for the messages of a scene may go on twice; its second passage is a point of its own here. */
const twice = /sink\.deliver|messages\.settle/;
/** What goes on beside all work, and what is the consumer's own: a point of the first scene that passes it. */
const once = /messages\.tidy|messages\.read, nothing|membership\.(beat|probe)|consumer's/;

/** Every point at which a relay can die, by what it is at: those that it passed each of two times. */
export async function cellsOf(track: Track, role: Role): Promise<readonly Cell[]> {
  const seen = new Set<string>();
  const found: Cell[] = [];
  for (const scene of sceneNames()) {
    const again = new Set(await track.enumerate(scene, role));
    for (const point of new Set(await track.enumerate(scene, role))) {
      if (!again.has(point) || passageOf(point) > (twice.test(point) ? 2 : 1) || (once.test(point) && seen.has(point))) continue;
      seen.add(point);
      found.push({ role, scene, point });
    }
  }
  return found;
}

export interface Found {
  readonly violations: readonly string[];
  readonly unreached: readonly string[];
}

/** Runs the cells of one role on several tracks side by side, and answers with every violation, and with the cells that nobody came by. `onDone` hears of each cell's end. */
export async function runCells(all: readonly Cell[], parts: TrackParts, width: number, onDone: () => void = () => undefined): Promise<Found> {
  const queue = [...all];
  const tracks = await Promise.all(Array.from({ length: width }, () => Track.open(parts)));
  try {
    await Promise.all(
      tracks.map(async (track) => {
        for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
          await track.run(cell);
          onDone();
        }
      }),
    );
    const violations: string[] = [];
    for (const track of tracks) violations.push(...(await track.violations()));
    return { violations, unreached: tracks.flatMap(({ unreached }) => unreached) };
  } finally {
    await Promise.all(tracks.map((track) => track.close()));
  }
}

function passageOf(point: string): number {
  return Number(/ #(\d+)$/.exec(point)?.[1] ?? 1);
}

function sceneNames(): readonly SceneName[] {
  return Object.keys(scenes).filter((name): name is SceneName => name in scenes);
}
