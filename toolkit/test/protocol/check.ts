import fc from "fast-check";
import { scripts } from "./script.ts";
import { live, type Protocol, type Run } from "./world.ts";

/** Long enough for a few crashes and retries in every branch; `max`, because fast-check prefers short lists, where nothing goes wrong. */
const tapes = fc.array(fc.nat(5_039), { maxLength: 120, size: "max" });

/** Lives `runs` random lives under this protocol and lets `judge` look at each; throws with the smallest life that it found wrong. */
export function judgeLives(protocol: Protocol, judge: (run: Run) => void, { seed, runs }: { readonly seed: number; readonly runs: number }): void {
  fc.assert(fc.property(scripts, tapes, (script, tape) => judge(live(protocol, script, tape))), { seed, numRuns: runs });
}
