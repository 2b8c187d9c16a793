import { FORGET_GID } from "../../transports/transport.ts";
import { branchKey } from "../../protocol/ids.ts";
import type { Transaction } from "../../protocol/transaction.ts";
import type { Clock } from "../clock.ts";
import type { Tuning } from "../options.ts";
import type { Directory } from "./directory.ts";

/**
 * Tells participants, in batches, which transactions have ended, so that their barriers may let go of rows (long after: see
 * `retention.barrierMs`). A lost batch costs rows that stay, never a guarantee: it is sent once.
 */
export class Forgetting {
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #tuning: Tuning;
  readonly #ended = new Map<string, string[]>();
  #cancel: (() => void) | undefined;

  constructor(directory: Directory, clock: Clock, tuning: Tuning) {
    this.#directory = directory;
    this.#clock = clock;
    this.#tuning = tuning;
  }

  add(gid: string, state: Transaction): void {
    if (state.kind === "unborn") return;
    const targets = new Set(state.branches.flatMap(({ offer }) => ("target" in offer && offer.target !== undefined ? [offer.target.participant] : [])));
    for (const target of targets) {
      if (this.#directory.participant(target)?.transport.features.forgets !== true) continue;
      const gids = this.#ended.get(target);
      if (gids === undefined) this.#ended.set(target, [gid]);
      else gids.push(gid);
      if ((gids?.length ?? 1) >= this.#tuning.forgetBatch) this.#send(target);
    }
    if (this.#ended.size > 0) this.#cancel ??= this.#clock.after(this.#tuning.forgetEveryMs, () => this.flush());
  }

  /** Sends what has gathered. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const target of this.#ended.keys()) this.#send(target);
  }

  #send(target: string): void {
    const gids = this.#ended.get(target) ?? [];
    this.#ended.delete(target);
    const participant = this.#directory.participant(target);
    if (participant === undefined || gids.length === 0) return;
    const controller = new AbortController();
    const cancel = this.#clock.after(this.#tuning.opTimeoutMs, () => controller.abort());
    const key = branchKey(FORGET_GID, this.#clock.uuid());
    const call = { gid: FORGET_GID, branch: key.slice(FORGET_GID.length + 1), op: "forget" as const, key, epoch: 0, attempt: 1, payload: { gids } };
    participant.transport.call({ ...call, notAfterMs: this.#clock.wallMs() + this.#tuning.callLifeMs }, controller.signal).then(cancel, cancel);
  }
}
