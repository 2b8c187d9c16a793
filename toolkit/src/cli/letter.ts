import { userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { readNodes } from "../admin/nodes.ts";
import type { Letter } from "../runtime/letters.ts";
import type { JournalRecord, Store } from "../stores/store.ts";
import { usageError, type Args } from "./command.ts";

/** What became of a letter within the time that we waited for it. */
export type Delivery =
  /** The owner has accounted for it: what it made of it stands in `record`. */
  | { readonly kind: "taken-up"; readonly record: JournalRecord }
  | { readonly kind: "ended"; readonly record: JournalRecord }
  | { readonly kind: "never-started" }
  /** It is durable, and will be taken up: `why` says what that waits for. */
  | { readonly kind: "waiting"; readonly why: string };

const LOOK_EVERY_MS = 50;

/** Who asks, if nobody says: this shell's user. In a container its number may have no name. */
function whoAsks(): string {
  try {
    return userInfo().username;
  } catch {
    return "operator";
  }
}

/** Who goes into the journal beside a person's wish: never nobody. */
export function whoIn(args: Args): string {
  const who = args.text("who") ?? whoAsks();
  if (who.trim() === "") throw usageError("--who is a name");
  return who;
}

/** Leaves a letter for whoever drives the transaction, and watches it being taken up. No coordinator runs here. */
export async function deliver(store: Store, gid: string, letter: Letter, waitMs: number): Promise<Delivery> {
  const posted = await store.journal.post(gid, JSON.stringify(letter));
  if (posted.kind === "never-started") return posted;
  store.membership.announce("mail");
  const untilMs = performance.now() + waitMs;
  let dead = false;
  for (;;) {
    const [record] = await store.journal.read([gid]);
    if (record === undefined) return { kind: "never-started" };
    if (posted.kind === "posted" && record.mailSeen >= posted.n) return { kind: "taken-up", record };
    if (record.summary.ended) return { kind: "ended", record };
    if (performance.now() >= untilMs) return { kind: "waiting", why: await whyWaiting(store, record, dead, waitMs) };
    // A free lock proves death only after a while of looking, so every round looks.
    if (record.owner !== null) dead = (await store.membership.probe(record.owner)) === "free";
    await sleep(LOOK_EVERY_MS);
  }
}

async function whyWaiting(store: Store, { owner, definition, version }: JournalRecord, dead: boolean, waitedMs: number): Promise<string> {
  const nodes = await readNodes(store.membership);
  if (!dead && nodes.living(owner) !== undefined) return `its owner ${nodes.nameOf(owner)} lives, but has not taken it up within ${waitedMs} ms`;
  const able = nodes.running(definition, version).filter((node) => node.incarnation !== owner);
  if (able.length > 0) return `nobody alive owns it yet; ${able.map((node) => nodes.nameOf(node.incarnation)).join(", ")} can run ${definition}@${version} and should take it over`;
  return `nobody alive owns it; it is taken up when a node that runs ${definition}@${version} starts`;
}
