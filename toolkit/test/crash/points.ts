/**
 * Crash points, enumerated where the coordinator meets the world: its store and its participants. Each call of a port is two points,
 * before and after; a local SQL step has a third, between the business write and the journal's entry. Nothing in the code under test
 * knows of them.
 */
import type { TransactionEvent } from "../../src/protocol/transaction.ts";
import type { Journal, LocalSql, Membership, Store, Write } from "../../src/stores/store.ts";
import type { Participant } from "../../src/transports/participant.ts";

/** Called at every point, by a name that is the same in every run of the same transaction. May not return. */
export type Pass = (point: string) => void;

/** What a transaction does at its own ports; the heartbeat and the mail box go on beside it and are no points of it. */
export function watchedStore(store: Store, pass: Pass): Store {
  const { localSql } = store;
  // A recovery begins with a fence, and its claim is the next one. All other sweeps look for work and find none.
  const recovery = { begun: false };
  return {
    features: store.features,
    journal: watchedJournal(store.journal, pass, recovery),
    membership: watchedMembership(store.membership, pass, recovery),
    ...(localSql === undefined ? {} : { localSql: watchedLocalSql(localSql, pass) }),
    connect: () => store.connect(),
    health: () => store.health(),
    close: () => store.close(),
  };
}

/** The same participant, with a point before and after each of its calls. */
export function watchedParticipant<P extends Participant>(participant: P, pass: Pass): P {
  const { transport } = participant;
  return {
    ...participant,
    transport: {
      features: transport.features,
      call: (call, signal) =>
        // Sent once and never repeated: when it is lost, rows stay, and nothing else.
        call.op === "forget" ? transport.call(call, signal) : around(pass, `call ${call.branch}.${call.op}`, () => transport.call(call, signal)),
      close: () => transport.close(),
    },
  };
}

export async function around<T>(pass: Pass, what: string | readonly string[], work: () => Promise<T>): Promise<T> {
  const whats = typeof what === "string" ? [what] : what;
  for (const it of whats) pass(`before ${it}`);
  const result = await work();
  for (const it of whats) pass(`after ${it}`);
  return result;
}

function watchedJournal(journal: Journal, pass: Pass, recovery: { begun: boolean }): Journal {
  return {
    write: (batch) => around(pass, batch.writes.flatMap(answersIn).map((answer) => `journal.write ${answer}`), () => journal.write(batch)),
    read: (gids, purpose) => around(pass, "journal.read", () => journal.read(gids, purpose)),
    claim: (claim) => {
      if (!recovery.begun) return journal.claim(claim);
      recovery.begun = false;
      return around(pass, "journal.claim", () => journal.claim(claim));
    },
    release: (owner, gids) => around(pass, "journal.release", () => journal.release(owner, gids)),
    post: (gid, body) => around(pass, "journal.post", () => journal.post(gid, body)),
    mail: (owner, limit) => journal.mail(owner, limit),
    list: (query) => journal.list(query),
    counts: () => journal.counts(),
    prune: (retention) => journal.prune(retention),
  };
}

function watchedMembership(membership: Membership, pass: Pass, recovery: { begun: boolean }): Membership {
  return {
    join: (node) => membership.join(node),
    beat: (incarnation) => membership.beat(incarnation),
    probe: (incarnation) => membership.probe(incarnation),
    fence: (incarnation) => {
      recovery.begun = true;
      return around(pass, "membership.fence", () => membership.fence(incarnation));
    },
    leave: (incarnation) => membership.leave(incarnation),
    announce: (topic) => membership.announce(topic),
    listen: (hear) => membership.listen(hear),
  };
}

function watchedLocalSql(localSql: LocalSql, pass: Pass): LocalSql {
  return {
    run: (owner, body, seal) =>
      around(pass, "localSql.run", () =>
        localSql.run(owner, body, (result) => {
          const sealed = seal(result);
          for (const answer of answersIn(sealed.write)) pass(`before localSql.seal ${answer}`);
          return sealed;
        }),
      ),
    startIn: (db, start, owner) => localSql.startIn(db, start, owner),
  };
}

/**
 * What the entry answers: `done reserve.action`. What else is in it goes along every time, but two answers that come at the same moment
 * may share an entry or not; each is a point of its own.
 */
function answersIn(write: Write): readonly string[] {
  const events = JSON.parse(write.entry) as readonly TransactionEvent[];
  const answers = events.filter(({ kind }) => kind === "started" || kind === "done" || kind === "refused" || kind === "recovered");
  return (answers.length > 0 ? answers : events.slice(0, 1)).map(nameOf);
}

function nameOf(event: TransactionEvent): string {
  const branch = "branch" in event && event.branch !== undefined ? ` ${event.branch}` : "";
  return `${event.kind}${branch}${"op" in event ? `.${event.op}` : ""}`;
}
