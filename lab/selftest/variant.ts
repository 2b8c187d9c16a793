import type { Shop } from "./miniature/shop.ts";
import type { World } from "./miniature/world.ts";

/** One way to build it wrong, and its right twin: the same program, the same seed, the same faults, but for `broken`. */
export interface Variant {
  readonly name: string;
  /** What the broken one does, in a sentence. */
  readonly wrong: string;
  run(run: Run): Promise<void>;
}

export interface Run {
  readonly shop: Shop;
  readonly world: World;
  readonly broken: boolean;
}
