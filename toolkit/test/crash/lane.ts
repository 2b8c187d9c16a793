import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { eventually, JournalDatabase } from "./journal.ts";
import type { Arm } from "./crash.ts";
import type { Participants } from "./participants.ts";
import { judge, type Ran } from "./judge.ts";
import type { CoordinatorProcess, WarmPool } from "./process.ts";
import type { ShapeName } from "./shapes.ts";

/** Who goes on after a crash: peers that are there, or one fresh process that is started then. */
export type Role = "peer alive" | "restart only";

/** One way to interrupt one transaction: its starter dies at `first`; where there is a `second`, whoever recovers it dies there. */
export interface Cell {
  readonly role: Role;
  readonly shape: ShapeName;
  readonly first: string;
  readonly second?: string;
}

export interface LaneParts {
  readonly pool: WarmPool;
  readonly participants: Participants;
  readonly folder: string;
}

/** Beats often, so that a process that joined between two cells is known before it dies. */
const tuning = { beatEveryMs: 100 };
/** Two peers race for a takeover, and the one that loses it comes by no point: then the cell is run again. */
const TRIES_MAX = 4;
const LAST_WORD_MS = 1_000;

/** Runs cells one after the other on a journal of its own, so that lanes do not recover each other's transactions. */
export class Lane {
  readonly journal: JournalDatabase;
  readonly #parts: LaneParts;
  /** Coordinators that have joined and live. */
  #members: CoordinatorProcess[] = [];
  readonly #ran: Ran[] = [];
  readonly #violations: string[] = [];

  private constructor(journal: JournalDatabase, parts: LaneParts) {
    this.journal = journal;
    this.#parts = parts;
  }

  static async open(parts: LaneParts): Promise<Lane> {
    return new Lane(await JournalDatabase.open("lane"), parts);
  }

  /** The points that a transaction passes at its starter, in order. Nobody dies. */
  async enumerate(shape: ShapeName): Promise<readonly string[]> {
    const starter = await this.#join();
    const gid = this.#gid(shape, "without a crash");
    starter.order({ do: "start", shape, gid, arm: {} });
    await this.#untilEnded(gid);
    await this.#stop(starter);
    return passedBy(starter);
  }

  /** The points that it passes at the one who recovers it after a crash at `first`. */
  async enumerateRecovery(shape: ShapeName, first: string): Promise<readonly string[]> {
    const starter = await this.#join();
    const gid = this.#gid(shape, `died ${first}`);
    starter.order({ do: "start", shape, gid, arm: { point: first } });
    await this.#dies([starter], gid);
    const recoverer = await this.#join({});
    await this.#untilEnded(gid);
    await this.#stop(recoverer);
    return passedBy(recoverer);
  }

  async run(cell: Cell): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const unreached = await this.#try(cell);
      if (unreached === undefined) return;
      if (tries < TRIES_MAX) continue;
      this.#violations.push(`${titleOf(cell)}: nobody came by ${unreached} in ${tries} runs`);
      return;
    }
  }

  async violations(): Promise<readonly string[]> {
    const open = await this.journal.countOpen();
    const stuck = open === 0 ? [] : [`${open} transactions are open at the end`];
    return [...this.#violations, ...stuck, ...(await judge(this.#ran, this.journal.pool, this.#parts.participants.pool))];
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((it) => it.end()));
    await this.journal.close();
  }

  /** Answers with the point that nobody came by. */
  async #try(cell: Cell): Promise<string | undefined> {
    const { role, shape, first, second } = cell;
    const token = join(this.#parts.folder, randomUUID());
    await this.#assemble(role === "peer alive" ? 3 : 1);
    const [starter, ...peers] = this.#members;
    if (starter === undefined) throw new Error("a lane without a coordinator");
    const arm = second === undefined ? undefined : { point: second, token };
    for (const peer of peers) peer.order({ do: "arm", ...(arm === undefined ? {} : { arm }) });
    const gid = this.#gid(shape, titleOf(cell));
    starter.order({ do: "start", shape, gid, arm: { point: first } });
    if (!(await this.#dies([starter], gid))) return first;

    if (peers.length === 0) await this.#join(arm);
    if (!(await this.journal.knows(gid))) this.#startAgain(shape, gid);
    if (arm !== undefined) {
      if (!(await this.#dies(this.#members, gid))) return second;
      if (peers.length === 0) await this.#join();
    }
    await this.#untilEnded(gid);
    return undefined;
  }

  /** Whoever got no answer asks again under the same gid. */
  #startAgain(shape: ShapeName, gid: string): void {
    this.#members[0]?.order({ do: "start", shape, gid });
  }

  /** Waits until one of these dies; false when the transaction has ended and they live on. */
  async #dies(candidates: readonly CoordinatorProcess[], gid: string): Promise<boolean> {
    const dead = (): CoordinatorProcess | undefined => candidates.find((it) => it.over);
    await eventually(async () => dead() !== undefined || (await this.journal.hasEnded(gid)));
    // The last point is behind the write that ends it.
    await eventually(() => dead() !== undefined, 2, LAST_WORD_MS);
    const died = dead();
    this.#members = this.#members.filter((it) => it !== died);
    return died !== undefined;
  }

  async #untilEnded(gid: string): Promise<void> {
    // What is stuck is found by the judge, with its state.
    await eventually(() => this.journal.hasEnded(gid));
  }

  async #assemble(size: number): Promise<void> {
    while (this.#members.length < size) await this.#join();
  }

  async #join(arm?: Arm): Promise<CoordinatorProcess> {
    const { pool, participants } = this.#parts;
    const member = await pool.take();
    await member.join({ journalUrl: this.journal.url, participantsUrl: participants.url, tuning, ...(arm === undefined ? {} : { arm }) });
    this.#members.push(member);
    return member;
  }

  async #stop(member: CoordinatorProcess): Promise<void> {
    member.order({ do: "stop" });
    await member.exited();
    this.#members = this.#members.filter((it) => it !== member);
  }

  #gid(shape: ShapeName, how: string): string {
    const gid = randomUUID();
    this.#ran.push({ gid, shape, title: `${shape}, ${how} [${gid}]` });
    return gid;
  }
}

export function titleOf({ role, shape, first, second }: Cell): string {
  return `${shape}, ${role}: died ${first}${second === undefined ? "" : `; its heir ${second}`}`;
}

function passedBy(process: CoordinatorProcess): readonly string[] {
  return process.reports.flatMap((it) => (it.said === "passed" ? [it.point] : []));
}
