import { createHash } from "node:crypto";
import { LANES } from "../../stores/outbox-log.ts";
import type { NodeRow } from "../../stores/store.ts";

const SHARED = "1";
const UNDIVIDED = "undivided";

/** How a node says that it runs a subscription, and whether it would have all of its lanes or none, among the definitions that it runs. */
export function runsOf(subscription: string, undivided = false): { readonly definition: string; readonly version: string } {
  return { definition: `outbox:${subscription}`, version: undivided ? UNDIVIDED : SHARED };
}

/**
 * Which lanes are whose. Every relay computes it by itself from the same list of nodes; where two lists differ for a moment, the owner in the lane's row
 * decides. Each lane goes to the node that it likes best (rendezvous hashing), unless that one has its share already: so few lanes move
 * when a relay joins or leaves, and nobody has more than one above the others. A subscription that is undivided for all of them is one
 * relay's as a whole; while only some say so, as during a release, it is shared.
 */
export function lanesOf(incarnation: string, subscription: string, nodes: readonly NodeRow[]): readonly number[] {
  const { definition } = runsOf(subscription);
  const running = nodes.flatMap((node) => (node.fenced ? [] : node.runs.filter((run) => run.definition === definition).map(({ version }) => ({ relay: node.incarnation, version }))));
  const relays = running.map(({ relay }) => relay);
  if (!relays.includes(incarnation)) return [];
  if (running.every(({ version }) => version === UNDIVIDED)) return favourite(definition, relays) === incarnation ? ALL_LANES : [];
  const share = Math.floor(LANES / relays.length);
  // Where it does not come out even, as many have one more as are left over.
  let larger = LANES % relays.length;
  const taken = new Map<string, number>(relays.map((relay) => [relay, 0]));
  const mine: number[] = [];
  for (let lane = 0; lane < LANES; lane += 1) {
    const liked = byLiking(String(lane), relays).find((relay) => (taken.get(relay) ?? 0) < share + (larger > 0 ? 1 : 0));
    if (liked === undefined) continue;
    const had = taken.get(liked) ?? 0;
    if (had === share) larger -= 1;
    taken.set(liked, had + 1);
    if (liked === incarnation) mine.push(lane);
  }
  return mine;
}

const ALL_LANES: readonly number[] = Array.from({ length: LANES }, (_, lane) => lane);

function favourite(what: string, relays: readonly string[]): string | undefined {
  return byLiking(what, relays)[0];
}

/** The relays in the order in which this lane, or subscription, likes them. */
function byLiking(what: string, relays: readonly string[]): readonly string[] {
  const likings = relays.map((relay) => ({ relay, liking: createHash("sha256").update(`${what}/${relay}`).digest("hex") }));
  return likings.sort((a, b) => compare(b.liking, a.liking) || compare(a.relay, b.relay)).map(({ relay }) => relay);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
