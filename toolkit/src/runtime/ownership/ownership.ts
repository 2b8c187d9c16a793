/**
 * Who is alive. Each node has a row with a counter, and a session lock that falls when its process dies. A node watches its successor
 * in a ring by trying that lock, and everybody by the counter; whoever finds a node dead fences it, and then its transactions may be
 * claimed. No clock of another machine is ever compared: a counter that stands still is measured on the observer's own monotonic clock.
 */
import { textOf, TripactError } from "../../protocol/errors.ts";
import type { DefinitionVersion, Heard, Membership, NodeRow } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

export interface OwnershipParts {
  readonly membership: Membership;
  readonly name: string;
  readonly runs: readonly DefinitionVersion[];
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  /** A node was fenced by us: claim what it owned. */
  readonly onDead: (incarnation: string) => void;
  /** We were fenced: whatever this incarnation owned is somebody else's. */
  readonly onFenced: () => void;
  /** We may write and call again. */
  readonly onOpen: () => void;
  readonly onHeard: (heard: Heard) => void;
}

interface Sighting {
  readonly beat: number;
  readonly sinceMs: number;
}

export class Ownership {
  readonly #parts: OwnershipParts;
  #incarnation: string;
  #state: "out" | "in" | "lost" = "out";
  #nodes: readonly NodeRow[] = [];
  #sightings = new Map<string, Sighting>();
  /** When we were surely seen alive. */
  #seenAtMs = 0;
  /** When we last looked at the others. */
  #lookedAtMs = 0;
  /** How often our lock was lost. */
  #losses = 0;
  /** Somebody may have been told to wait; tell them when it is over. */
  #closed = true;
  #stopped = false;
  #rejoining: Promise<void> | undefined;
  #unlisten: (() => void) | undefined;
  readonly #cancels = new Map<string, () => void>();

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
    this.#incarnation = parts.clock.uuid();
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  /** We hold our lock: the journal may be written (each write is fenced all the same). */
  mayWrite(): boolean {
    return this.#state === "in";
  }

  /** And we were seen alive within the lease: a participant may be called. After a pause this is false until the next beat. */
  mayCall(): boolean {
    return this.#state === "in" && this.#parts.clock.nowMs() - this.#seenAtMs < this.#parts.tuning.leaseMs;
  }

  async start(): Promise<void> {
    const { membership, tuning } = this.#parts;
    this.#unlisten = membership.listen((heard) => this.#hear(heard));
    await this.#join();
    await this.#beat();
    this.#every("beat", () => tuning.beatEveryMs, () => this.#beat());
    this.#every("watch", () => tuning.probeEveryMs, () => this.#watch());
  }

  /** Leaves the ring. What we own is found and claimed by others at once. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#state = "out";
    for (const cancel of this.#cancels.values()) cancel();
    this.#unlisten?.();
    try {
      await this.#parts.membership.leave(this.#incarnation);
    } catch (error) {
      this.#parts.notify({ kind: "store", error: textOf(error) });
    }
  }

  /** Incarnations that may be claimed from: rows that are fenced. */
  fenced(): readonly string[] {
    return this.#nodes.filter((node) => node.fenced).map((node) => node.incarnation);
  }

  /** Everybody, as last seen; who was found dead since is marked. */
  nodes(): readonly NodeRow[] {
    return this.#nodes;
  }

  /** Somebody came, left or was fenced: look at once. */
  async look(): Promise<void> {
    if (!this.#stopped && this.#state === "in") await this.#beat();
  }

  #hear(heard: Heard): void {
    if (this.#stopped) return;
    if (heard === "lost") this.#losses += 1;
    if (heard === "lost" && this.#state === "in") {
      this.#state = "lost";
      this.#closed = true;
      this.#parts.notify({ kind: "session-lost" });
    } else if (heard === "back" && this.#state === "lost") {
      // The next beat would do the same; this is only sooner.
      this.#beat().catch((error: unknown) => this.#parts.notify({ kind: "store", error: textOf(error) }));
    }
    this.#parts.onHeard(heard);
  }

  /** One attempt at a time, whoever asks first. */
  #rejoin(): Promise<void> {
    this.#rejoining ??= this.#join().finally(() => {
      this.#rejoining = undefined;
    });
    return this.#rejoining;
  }

  /** Takes our lock, again after a lost session. Fenced meanwhile: we begin anew, as somebody else. */
  async #join(): Promise<void> {
    const { membership, name, runs, notify, clock, tuning } = this.#parts;
    const again = this.#state === "lost";
    const losses = this.#losses;
    const askedMs = clock.nowMs();
    const joined = await membership.join({ incarnation: this.#incarnation, name, runs, leaseMs: tuning.leaseMs });
    if (this.#stopped) return;
    if (!joined) return await this.#beginAnew();
    // Lost again while the answer was on its way: the next beat takes it back.
    this.#state = losses === this.#losses ? "in" : "lost";
    if (!again || losses !== this.#losses) return;
    notify({ kind: "session-back" });
    // Nobody's counter could rise while the server was away.
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    // Our own has: a beat would say no more, and takes another session, which may not be back yet.
    this.#seen(askedMs);
  }

  async #beginAnew(): Promise<void> {
    const { membership, name, runs, notify, clock, tuning, onFenced } = this.#parts;
    notify({ kind: "node-fenced", incarnation: this.#incarnation });
    this.#state = "lost";
    this.#closed = true;
    this.#incarnation = clock.uuid();
    onFenced();
    if (await membership.join({ incarnation: this.#incarnation, name, runs, leaseMs: tuning.leaseMs })) this.#state = "in";
    else throw new TripactError("not-connected", "This node could not join under a new incarnation.", { where: name });
  }

  /** Raises our counter and looks at everybody's. */
  async #beat(): Promise<void> {
    const { membership, clock } = this.#parts;
    if (this.#state === "lost") await this.#rejoin();
    if (this.#stopped) return;
    const askedMs = clock.nowMs();
    const { incarnation } = this;
    const nodes = await membership.beat(incarnation);
    // An answer for somebody we are not any more says nothing.
    if (this.#stopped || incarnation !== this.#incarnation) return;
    const self = nodes.find((node) => node.incarnation === this.#incarnation);
    if (self === undefined || self.fenced) {
      if (this.#state !== "in") return;
      await this.#beginAnew();
      return await this.#beat();
    }
    this.#nodes = nodes;
    this.#observe(nodes, askedMs);
    this.#seen(askedMs);
  }

  /** The moment of asking: the counter was surely up to date then. */
  #seen(askedMs: number): void {
    if (!this.mayCall()) this.#closed = true;
    this.#seenAtMs = Math.max(this.#seenAtMs, askedMs);
    if (!this.#closed || !this.mayCall()) return;
    this.#closed = false;
    this.#parts.onOpen();
  }

  /** The lease: a counter that stood still for leaseMs while we were looking. */
  #observe(nodes: readonly NodeRow[], askedMs: number): void {
    const { clock, tuning } = this.#parts;
    const nowMs = clock.nowMs();
    // After a pause of our own, we have not been looking: everybody gets a fresh lease.
    const looking = nowMs - this.#lookedAtMs < tuning.leaseMs;
    const sightings = new Map<string, Sighting>();
    for (const node of nodes) {
      if (node.fenced || node.incarnation === this.#incarnation) continue;
      const last = this.#sightings.get(node.incarnation);
      if (last === undefined || last.beat !== node.beat || !looking) {
        sightings.set(node.incarnation, { beat: node.beat, sinceMs: nowMs });
      } else {
        sightings.set(node.incarnation, last);
        if (nowMs - last.sinceMs >= tuning.leaseMs) this.#declareDead(node.incarnation, "lease");
      }
    }
    this.#sightings = sightings;
    // The moment of asking: where answers take long, nobody is taken for dead by how long.
    this.#lookedAtMs = askedMs;
  }

  /** The lock of our successor in the ring: when it is free, its process is gone. */
  async #watch(): Promise<void> {
    if (this.#state !== "in") return;
    const ring = this.#nodes.filter((node) => !node.fenced).map((node) => node.incarnation).sort();
    const successor = ring.find((incarnation) => incarnation > this.#incarnation) ?? ring[0];
    if (successor === undefined || successor === this.#incarnation) return;
    const probe = await this.#parts.membership.probe(successor);
    if (probe === "free" && !this.#stopped && this.#state === "in") this.#declareDead(successor, "lock");
  }

  #declareDead(incarnation: string, by: "lock" | "lease"): void {
    const { membership, notify, onDead } = this.#parts;
    this.#nodes = this.#nodes.map((node) => (node.incarnation === incarnation ? { ...node, fenced: true } : node));
    membership.fence(incarnation).then(
      (ours) => {
        if (!ours || this.#stopped) return;
        notify({ kind: "node-lost", incarnation, by });
        membership.announce("nodes");
        onDead(incarnation);
      },
      (error: unknown) => notify({ kind: "store", error: textOf(error) }),
    );
  }

  /** Again and again, never two at once; trouble with the store is told and tried again. */
  #every(name: string, delayMs: () => number, run: () => Promise<void>): void {
    const again = (): void => {
      if (!this.#stopped) this.#later(name, delayMs(), tick);
    };
    const tick = (): void => {
      run().then(again, (error: unknown) => {
        if (!this.#stopped) this.#parts.notify({ kind: "store", error: textOf(error) });
        again();
      });
    };
    again();
  }

  #later(name: string, ms: number, then: () => void): void {
    this.#cancels.set(name, this.#parts.clock.after(ms, then));
  }
}
