import type { Answer, Guard } from "../protocol/outcome.ts";
import type { TransactionEvent } from "../protocol/transaction.ts";
import type { BranchCode, Driver, Runnable } from "../runtime/driver.ts";
import { memoryStore } from "../stores/memory/store.ts";
import type { MemoryDatabase } from "../stores/memory/database.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Journal, LocalSql, Membership, Store, WriteBatch } from "../stores/store.ts";
import type { Lookup, Participant } from "../transports/participant.ts";
import type { Asked } from "./answers.ts";
import { memoryLocalSql } from "./memory-sql.ts";
import type { Process } from "./virtual/process.ts";

/** Hears of every call that one process makes at a port, before and after; may let the process die there. */
export type Reach = (point: string) => void;

/** What a test puts between the coordinator and the code of any branch. */
export interface Interposed {
  call(asked: Asked, guard: Guard, code: () => Promise<Answer>): Promise<Answer>;
  sql(asked: Asked, code: () => Promise<unknown>): Promise<unknown>;
  /** Whether the effect is there, for a branch whose participant is unguarded. */
  lookup(branch: string, lookup: Lookup): Lookup;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** One call over one port: it takes time, and nothing of it goes on in a process that has died. */
async function over<T>(process: Process, reach: Reach, name: string, work: () => Promise<T>): Promise<T> {
  reach(`before ${name}`);
  if (process.dead) return await never();
  const result = await process.io(1, work, 1);
  reach(`after ${name}`);
  return process.dead ? await never() : result;
}

export interface MortalStoreParts {
  readonly process: Process;
  readonly database: MemoryDatabase;
  readonly reach: Reach;
  readonly db: SqlExecutor;
  readonly onSql: (gid: string, event: Extract<TransactionEvent, { kind: "done" }>) => void;
}

/** One process's connection to the shared memory database. */
export function mortalStore({ process, database, reach, db, onSql }: MortalStoreParts): Store {
  const inner = memoryStore(database);
  const { journal, membership } = inner;
  // The safety polls come with time, not with the transaction: they are no points of their own.
  const quiet: Reach = () => undefined;
  const mortal: Journal = {
    write: (batch) => over(process, reach, `write ${contentsOf(batch)}`, () => journal.write(batch)),
    read: (gids, purpose) => over(process, reach, "read", () => journal.read(gids, purpose)),
    claim: (claim) => over(process, quiet, "claim", () => journal.claim(claim)),
    release: (owner, gids) => over(process, reach, "release", () => journal.release(owner, gids)),
    post: (gid, body) => over(process, reach, "post", () => journal.post(gid, body)),
    mail: (owner, limit) => over(process, quiet, "mail", () => journal.mail(owner, limit)),
    list: (query) => journal.list(query),
    counts: () => journal.counts(),
    prune: (retention) => journal.prune(retention),
  };
  const sql = memoryLocalSql(journal, db, onSql);
  const localSql: LocalSql = {
    run: (owner, body, seal) => over(process, reach, "local SQL", () => sql.run(owner, body, seal)),
    startIn: (caller, start, owner) => sql.startIn(caller, start, owner),
  };
  return { ...inner, features: { ...inner.features, localSql: true }, journal: mortal, membership: mortalMembership(process, membership, quiet), localSql };
}

function mortalMembership(process: Process, inner: Membership, quiet: Reach): Membership {
  return {
    join: (node) => over(process, quiet, "join", () => inner.join(node)),
    beat: (self) => over(process, quiet, "beat", () => inner.beat(self)),
    probe: (other) => over(process, quiet, "probe", () => inner.probe(other)),
    fence: (other) => over(process, quiet, "fence", () => inner.fence(other)),
    leave: (self) => over(process, quiet, "leave", () => inner.leave(self)),
    announce: (topic) => {
      if (!process.dead) inner.announce(topic);
    },
    listen: (hear) => inner.listen((heard) => process.world.after(1, process, () => hear(heard))),
  };
}

/** What a flush is about to say: `[started, registered reserve]`. */
function contentsOf(batch: WriteBatch): string {
  const events = batch.writes.flatMap((write) => JSON.parse(write.entry) as TransactionEvent[]);
  return `[${events.map((event) => ("branch" in event && event.branch !== undefined ? `${event.kind} ${event.branch}` : event.kind)).join(", ")}]`;
}

/** The same definition, with `between` around the code of each branch. */
export function interposed(runnable: Runnable, process: Process, reach: Reach, between: Interposed, meet: (participant: Participant) => void): Runnable {
  return {
    ...runnable,
    drive(input, host) {
      const driver = runnable.drive(input, host);
      return {
        begin: (past) => driver.begin(past),
        heard: (event) => driver.heard(event),
        abandon: (why) => driver.abandon(why),
        get settling() {
          return driver.settling;
        },
        get replaying() {
          return driver.replaying;
        },
        code: (branch, op) => {
          const code = driver.code(branch, op);
          if (code?.kind === "participant" && code.participant.target !== undefined) meet(code.participant);
          return code === undefined ? undefined : around(code, branch, process, reach, between);
        },
      } satisfies Driver;
    },
  };
}

function around(code: BranchCode, branch: string, process: Process, reach: Reach, between: Interposed): BranchCode {
  switch (code.kind) {
    case "ask": {
      const lookup = code.lookup === undefined ? undefined : between.lookup(branch, code.lookup);
      const guard = lookup === undefined ? "barrier" : "unguarded";
      return { ...code, lookup, ask: (context) => over(process, reach, `call ${branch}.${context.op}`, () => between.call(context, guard, () => code.ask(context))) };
    }
    case "participant": {
      const { lookup } = code.participant;
      const participant = mortalParticipant(code.participant, process, reach, between);
      return { ...code, participant: lookup === undefined ? participant : { ...participant, lookup: between.lookup(branch, lookup) } };
    }
    case "sql":
      return { ...code, run: (db, context) => between.sql(context, () => code.run(db, context)) };
  }
}

/** A participant behind a port: also for those that recovery reaches by name, without the flow. */
export function mortalParticipant(participant: Participant, process: Process, reach: Reach, between: Interposed): Participant {
  const { transport, guard } = participant;
  return {
    ...participant,
    transport: {
      features: transport.features,
      call: (call, signal) => over(process, reach, `call ${call.branch}.${call.op}`, () => between.call(call, guard, () => transport.call(call, signal))),
      close: () => transport.close(),
    },
  };
}
