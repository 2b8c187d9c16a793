/** Waits until nothing is on its way any more, and tells what is meanwhile. */
import { untilQuiet, type StillOpen } from "../../evidence/until-quiet.ts";
import type { SaleDatabases } from "../../platform/databases.ts";

/** `stalled`: something is open, and nothing of it has moved for a while. `late`: it still moved when the time was over. */
export type AtRest = { readonly kind: "quiet" } | { readonly kind: "stalled" | "late"; readonly open: string };

export interface RestOptions {
  readonly signal: AbortSignal;
  readonly livingGateways: readonly string[];
  readonly capMs?: number;
  readonly stalledAfterMs?: number;
  readonly onOpen?: (open: string) => void;
}

const CAP_MS = 60_000;
/** Above the provider's slowest answer and the longest pause before it is asked again. */
const STALLED_AFTER_MS = 10_000;
const TELL_EVERY_MS = 2_000;
/** Looking costs the servers something too, and their CPU time is measured meanwhile. */
const LOOK_EVERY_MS = 250;

export async function untilAtRest(urls: SaleDatabases["urls"], { signal, livingGateways, capMs = CAP_MS, stalledAfterMs = STALLED_AFTER_MS, onOpen }: RestOptions): Promise<AtRest> {
  const begunMs = performance.now();
  let movedMs = begunMs;
  let before = "";
  for (;;) {
    const rest = await untilQuiet(urls, { livingGateways, capMs: TELL_EVERY_MS, pollMs: LOOK_EVERY_MS, signal });
    if (rest.kind === "quiet") return { kind: "quiet" };
    const open = openText(rest.open);
    const nowMs = performance.now();
    if (open !== before) movedMs = nowMs;
    before = open;
    onOpen?.(open);
    if (nowMs - movedMs > stalledAfterMs) return { kind: "stalled", open };
    if (nowMs - begunMs > capMs) return { kind: "late", open };
  }
}

export function openText({ unread, ...counts }: StillOpen): string {
  const open = Object.entries(counts).filter(([, count]) => count > 0).map(([what, count]) => `${count.toLocaleString("en")} ${what}`);
  return [...(open.length === 0 ? [] : [`${open.join(", ")} open`]), ...unread.map((why) => `not readable: ${why}`)].join("; ");
}
