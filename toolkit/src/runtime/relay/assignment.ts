import { createHash } from "node:crypto";
import { LANES } from "../../stores/outbox-log.ts";
import type { NodeRow } from "../../stores/store.ts";

/** How a node says that it runs a subscription, among the definitions that it runs. */
export function runsOf(subscription: string): { readonly definition: string; readonly version: string } {
  return { definition: `outbox:${subscription}`, version: "1" };
}

/**
 * Which lanes are whose. Every relay computes it by itself from the same list of nodes; where two lists differ for a moment, the owner in the lane's row
 * decides. Each lane goes to the node that it likes best (rendezvous hashing), unless that one has its share already: so few lanes move
 * when a relay joins or leaves, and nobody has more than one above the others.
 */
export function lanesOf(incarnation: string, subscription: string, nodes: readonly NodeRow[]): readonly number[] {
  const { definition } = runsOf(subscription);
  const relays = nodes.filter((node) => !node.fenced && node.runs.some((run) => run.definition === definition)).map((node) => node.incarnation);
  if (!relays.includes(incarnation)) return [];
  const share = Math.floor(LANES / relays.length);
  // Where it does not come out even, as many have one more as are left over.
  let larger = LANES % relays.length;
  const taken = new Map<string, number>(relays.map((relay) => [relay, 0]));
  const mine: number[] = [];
  for (let lane = 0; lane < LANES; lane += 1) {
    const likings = relays.map((relay) => ({ relay, liking: liking(lane, relay) })).sort((a, b) => compare(b.liking, a.liking) || compare(a.relay, b.relay));
    const liked = likings.find(({ relay }) => (taken.get(relay) ?? 0) < share + (larger > 0 ? 1 : 0))?.relay;
    if (liked === undefined) continue;
    const had = taken.get(liked) ?? 0;
    if (had === share) larger -= 1;
    taken.set(liked, had + 1);
    if (liked === incarnation) mine.push(lane);
  }
  return mine;
}

function liking(lane: number, relay: string): string {
  return createHash("sha256").update(`${lane}/${relay}`).digest("hex");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
