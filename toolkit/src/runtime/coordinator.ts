/**
 * The coordinator of one node: owns the transactions that it drives, lets new ones in, and answers for those that others drive.
 */
import { NeverStarted, textOf, TripactError } from "../protocol/errors.ts";
import type { JournalRecord, Store, Topic, Verdict } from "../stores/store.ts";
import { Bulkhead } from "./calls/bulkhead.ts";
import type { Clock } from "./clock.ts";
import type { Directory } from "./calls/directory.ts";
import { Forgetting } from "./calls/forgetting.ts";
import { Engine } from "./engine.ts";
import { GroupCommit } from "./journal/group-commit.ts";
import { LevelWatch } from "./journal/level.ts";
import { Mailbox } from "./journal/mailbox.ts";
import { Pruning } from "./journal/pruning.ts";
import { refuseUnknownBranch, type Letter } from "./letters.ts";
import { compareIdentity, Live, type Identity } from "./live.ts";
import type { Notify } from "./notices.ts";
import type { Tuning } from "./options.ts";
import { outcomeOf, type TransactionOutcome } from "./outcome.ts";
import { outcomeOfRecord, patiently, Readings, refuseOther } from "./reading.ts";
import { Attach, Watchers, type Until } from "./watchers.ts";
import { refusalOf } from "./ownership/admission.ts";
import { Begun } from "./ownership/begun.ts";
import { Ownership } from "./ownership/ownership.ts";
import { Recovery } from "./ownership/recovery.ts";
import type { EventOf } from "../protocol/transaction.ts";

export interface CoordinatorParts {
  readonly store: Store;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  readonly nodeName: string;
}

/** How often a stopping node looks whether its calls have ended. */
const IDLE_LOOK_MS = 10;

export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #lives = new Map<string, Live>();
  readonly #watchers = new Watchers();
  readonly #ownership: Ownership;
  readonly #commits: GroupCommit;
  readonly #recovery: Recovery;
  readonly #engine: Engine;
  readonly #forgetting: Forgetting;
  readonly #mailbox: Mailbox;
  readonly #pruning: Pruning;
  readonly #level: LevelWatch;
  readonly #readings: Readings;
  #cancelPoll: (() => void) | undefined;
  #stopping = false;
  /** Work that somebody else's transaction brings. */
  readonly begun: Begun;
  #stopped: Promise<void> | undefined;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    const { store, directory, clock, tuning, notify, nodeName } = parts;
    this.#ownership = new Ownership({
      membership: store.membership,
      name: nodeName,
      runs: directory.runs(),
      clock,
      tuning,
      notify,
      onDead: () => this.#sweep(),
      onFenced: () => this.#fenced(),
      onOpen: () => this.#resume(),
      onHeard: (heard) => this.#heard(heard),
    });
    this.#forgetting = new Forgetting(directory, clock, tuning);
    const owner = (): string => this.#ownership.incarnation;
    const mayWrite = (): boolean => this.#ownership.mayWrite();
    const common = { journal: store.journal, clock, tuning, notify, owner };
    this.#commits = new GroupCommit({
      ...common,
      mayWrite,
      sink: { verdict: (live, verdict) => this.#verdict(live, verdict), poisoned: (live, error) => this.#poisoned(live, error), sent: () => store.membership.announce("outbox") },
    });
    this.#engine = new Engine({
      store,
      clock,
      tuning,
      directory,
      notify,
      owner,
      commits: this.#commits,
      bulkhead: new Bulkhead(clock, tuning, notify),
      mayCall: () => !this.#stopping && this.#ownership.mayCall(),
      onUnreachable: (live, branch, participant) => {
        if (!live.durable) return;
        this.#forget(live, `${participant} is not reached from here`);
        void this.#recovery.handingBack.giveBack(live.gid, branch, participant);
      },
      onVerdict: (live, verdict) => this.#verdict(live, verdict),
      onDurable: (live) => this.#durable(live),
    });
    this.#level = new LevelWatch(store, notify);
    this.#readings = new Readings(store.journal, tuning.claimSlice);
    this.#pruning = new Pruning(store.journal, clock, tuning, notify);
    this.#mailbox = new Mailbox({
      ...common,
      mayRead: () => mayWrite() && !this.#stopping,
      limit: tuning.batchMax,
      deliver: (mail) => this.#engine.deliverMail(this.#lives.get(mail.gid) ?? this.begun.committed(mail.gid), mail),
    });
    this.#recovery = new Recovery({
      ...common,
      mayWrite,
      runs: directory.runs(),
      adopt: (live, record) => this.#adopt(live, record),
      announce: () => store.membership.announce("work"),
    });
    this.begun = new Begun({
      ...common,
      mayOwn: () => this.#refusal() === undefined,
      lives: this.#lives,
      drive: (live) => this.#drive(live),
      take: (gids) => this.#recovery.takeOwn(gids),
      sweep: () => this.#sweep(),
    });
  }

  get open(): number {
    return this.#lives.size;
  }

  get incarnation(): string {
    return this.#ownership.incarnation;
  }

  ready(): boolean {
    return this.#recovery.drained && this.#ownership.mayCall() && !this.#stopping;
  }

  async begin(): Promise<void> {
    this.#level.look();
    await this.#ownership.start();
    await this.#recovery.sweep();
    this.#pollLater();
  }

  /** Lets no new work in, lets calls in flight end within `stopWithinMs`, journals what they said, and hands the rest over. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    const { clock, tuning, store } = this.#parts;
    this.#cancelPoll?.();
    this.begun.stop();
    this.#recovery.stop();
    for (const live of this.#lives.values()) this.#engine.step(live);
    const untilMs = clock.nowMs() + tuning.stopWithinMs;
    while (this.#busy() && clock.nowMs() < untilMs) await new Promise<void>((resolve) => clock.after(IDLE_LOOK_MS, resolve));
    this.#commits.stop();
    this.#forgetting.flush();
    for (const live of [...this.#lives.values()]) this.#forget(live, "this node stops");
    await this.#ownership.stop();
    store.membership.announce("work");
  }

  /** Begins a transaction; resolves when its header is durable. The same gid with the same input attaches to the first. */
  async start(identity: Identity, started: EventOf<"started">): Promise<{ readonly attached: boolean }> {
    const running = this.#lives.get(identity.gid);
    const durable = running === undefined ? this.#begin(identity, started) : this.#watch(identity.gid, "started");
    try {
      await durable;
    } catch (error) {
      if (!(error instanceof Attach)) throw error;
      refuseOther(await this.#readings.one(identity.gid), identity);
      return { attached: true };
    }
    if (running !== undefined) compareIdentity(running.identity, identity);
    return { attached: running !== undefined };
  }

  async #begin(identity: Identity, started: EventOf<"started">): Promise<unknown> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const live = new Live(identity);
    live.traceparent = started.traceparent;
    this.#lives.set(identity.gid, live);
    const durable = this.#watch(identity.gid, "started");
    this.#engine.apply(live, started);
    this.#engine.step(live);
    return await durable;
  }

  /** Waits for the end, wherever the transaction is driven. */
  async end(gid: string): Promise<TransactionOutcome> {
    const { clock, tuning } = this.#parts;
    for (;;) {
      if (this.#lives.has(gid)) {
        const outcome = await this.#watch(gid, "ended");
        if (outcome !== "elsewhere") return outcome;
      }
      if (this.#stopping) throw new TripactError("stopped", "This node stopped; another one drives the transaction on.", { where: gid, hint: "Ask outcome(gid) at any node." });
      const outcome = await patiently(() => this.look(gid), () => this.#stopping, this.#parts);
      if (outcome === undefined) throw new TripactError("unknown-transaction", "No transaction has this gid.", { where: gid });
      if (outcome.kind !== "open") return outcome;
      await this.#readings.nextLook(clock, tuning.attachPollMs);
    }
  }

  /** As the journal, or this node's memory of what is journaled, has it. Undefined for an unknown gid. */
  async look(gid: string): Promise<TransactionOutcome | undefined> {
    const live = this.#lives.get(gid);
    if (live?.durable === true && !live.hearsay) return outcomeOf(gid, live.state);
    const record = await this.#readings.one(gid);
    return record === undefined ? undefined : outcomeOfRecord(record, this.#parts);
  }

  /**
   * Leaves a letter for the owner: at once where that is us, else as mail. Resolves when it is journaled or posted, so that no crash
   * loses it. An unknown gid never starts from now on.
   */
  async send(gid: string, letter: Letter): Promise<"delivered" | "posted" | "ended" | "never-started"> {
    const live = this.#lives.get(gid);
    if (live !== undefined && live.seq > 0 && !live.hearsay && !live.gone && !live.held && this.#ownership.mayWrite()) {
      if (letter.kind === "complete") refuseUnknownBranch(live, letter.branch);
      this.#engine.deliver(live, letter);
      // Lost with this node's memory of the transaction: once more, to whoever has it now. All letters bear repetition.
      if (!live.gone && (await this.#watch(gid, "journaled")) !== "elsewhere") return "delivered";
    }
    const verdict = await this.#parts.store.journal.post(gid, JSON.stringify(letter));
    if (verdict.kind === "posted") {
      if (verdict.owner === this.#ownership.incarnation) this.#mailbox.read();
      else this.#parts.store.membership.announce("mail");
    }
    return verdict.kind;
  }

  async definitionOf(gid: string): Promise<string | undefined> {
    return (this.#lives.get(gid)?.identity ?? (await this.#readings.one(gid)))?.definition;
  }

  /** Waits until the transaction is decided (`settled`: or parked), and says how it stands then. */
  async decided(gid: string, until: "decided" | "settled" = "decided"): Promise<TransactionOutcome> {
    const { clock, tuning } = this.#parts;
    for (;;) {
      if (this.#lives.has(gid)) {
        const outcome = await this.#watch(gid, until);
        if (outcome !== "elsewhere") return outcome;
      }
      const outcome = await patiently(() => this.look(gid), () => this.#stopping, this.#parts);
      if (outcome === undefined) return { kind: "never-started", gid };
      if (outcome.kind !== "open" || outcome.phase !== "forward" || this.#stopping) return outcome;
      if (until === "settled" && outcome.parked !== undefined) return outcome;
      await this.#readings.nextLook(clock, tuning.attachPollMs);
    }
  }

  #refusal(): TripactError | undefined {
    const { tuning, store } = this.#parts;
    return refusalOf({ stopping: this.#stopping, health: store.health(), alive: this.#ownership.mayCall(), open: this.#lives.size }, tuning);
  }

  #drive(live: Live): void {
    this.#lives.set(live.gid, live);
    this.#engine.step(live);
  }

  #verdict(live: Live, verdict: Verdict): void {
    switch (verdict) {
      case "applied":
        this.#engine.step(live);
        return;
      case "exists":
        this.#watchers.failStart(live.gid, new Attach());
        this.#forget(live, "the gid is driven elsewhere");
        // Or here, in a moment: it began inside a SQL transaction that ended while this start was on its way.
        this.begun.isThere(live.gid);
        return;
      case "never-started":
        this.#watchers.fail(live.gid, new NeverStarted(live.gid));
        this.#forget(live, "the gid never started");
        return;
      case "fenced":
        this.#parts.notify({ kind: "fenced", gid: live.gid });
        this.begun.missed(live);
        this.#forget(live, "another node took over");
        return;
      case "reload":
        this.#reload(live);
        return;
    }
  }

  /** The header moved on under us although it is ours: a mail, or an entry whose reply was lost. Read it again and go on from there. */
  #reload(live: Live, then: (again: Live) => void = () => undefined): void {
    this.#engine.drop(live, "the journal is read again");
    this.#watchers.lost(live.gid);
    const isWanted = (): boolean => this.#lives.get(live.gid) === live;
    const adopt = (again: Live, record: JournalRecord): void => {
      this.#adopt(again, record);
      then(again);
    };
    void this.#recovery.taking.take([live.gid], { owner: this.#ownership.incarnation, isWanted, adopt }).then(() => {
      if (isWanted()) this.#forget(live, "another node took over, or nobody can drive it");
      // What came after the reading found nobody to hear it.
      this.#mailbox.read();
    });
  }

  /** One entry that the database refuses: a start never was; a running transaction is parked where the journal has it. */
  #poisoned(live: Live, error: unknown): void {
    if (live.seq === 0) {
      this.#watchers.fail(live.gid, error);
      this.#forget(live, "the journal refuses its data");
    } else {
      this.#watchers.lost(live.gid, error);
      this.#reload(live, (again) => this.#engine.park(again, "journal-refused", textOf(error)));
    }
  }

  #adopt(live: Live, record: JournalRecord): void {
    const previous = this.#lives.get(live.gid);
    if (previous !== undefined) this.#engine.drop(previous, "the journal is read again");
    this.#lives.set(live.gid, live);
    try {
      this.#engine.apply(live, { kind: "recovered", by: this.#ownership.incarnation, epoch: live.epoch });
    } catch (error) {
      this.#engine.drop(live, "nobody can drive it");
      if (previous === undefined) this.#lives.delete(live.gid);
      else this.#lives.set(live.gid, previous);
      throw error;
    }
    for (const mail of record.unread) this.#engine.deliverMail(live, mail);
    this.#engine.step(live);
  }

  #durable(live: Live): void {
    if (!live.hearsay && this.#watchers.has(live.gid)) this.#watchers.reached(live.gid, outcomeOf(live.gid, live.state));
    if (!live.ended) return;
    if (live.state.kind === "rolled-back") this.#parts.notify({ kind: "rolled-back", gid: live.gid, reason: live.state.reason });
    this.#forgetting.add(live.gid, live.state);
    this.#forget(live, "it has ended");
  }

  /** Out of memory, and whoever still waits looks elsewhere. */
  #forget(live: Live, why: string): void {
    this.#engine.drop(live, why);
    if (this.#lives.get(live.gid) === live) this.#lives.delete(live.gid);
    this.#watchers.gone(live.gid, () => new TripactError("store-unknown", `Nobody here knows whether it started: ${why}.`, { where: live.gid, hint: "Start again with the same gid and input, or ask outcome(gid)." }));
  }

  #fenced(): void {
    this.begun.forget();
    for (const live of [...this.#lives.values()]) this.#verdict(live, "fenced");
    this.#sweep();
  }

  #resume(): void {
    for (const live of this.#lives.values()) this.#engine.step(live);
    this.#commits.kick();
    this.#sweep();
    this.#mailbox.read();
  }

  #heard(heard: Topic | "lost" | "back"): void {
    if (heard === "mail") this.#mailbox.read();
    else if (heard === "work") this.#sweep();
  }

  #sweep(): void {
    this.#recovery.sweep().catch((error: unknown) => this.#parts.notify({ kind: "store", error: textOf(error) }));
  }

  /** The safety net under announcements, which may be lost. */
  #pollLater(): void {
    this.#cancelPoll = this.#parts.clock.after(this.#parts.tuning.pollEveryMs, () => {
      if (this.#stopping) return;
      this.#sweep();
      this.begun.look();
      this.#mailbox.read();
      this.#pruning.tick();
      this.#level.look();
      this.#pollLater();
    });
  }

  #busy(): boolean {
    for (const live of this.#lives.values()) if (live.flights.size > 0 || !live.durable) return true;
    return false;
  }

  #watch(gid: string, until: Until): Promise<TransactionOutcome | "elsewhere"> {
    const live = this.#lives.get(gid);
    if (live !== undefined && live.seq > 0 && until === "started") return live.hearsay ? Promise.reject(new Attach()) : Promise.resolve(outcomeOf(gid, live.state));
    const reached = this.#watchers.wait(gid, until);
    if (live?.durable === true) this.#durable(live);
    return reached;
  }
}
