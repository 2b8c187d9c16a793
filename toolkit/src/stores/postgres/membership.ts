import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Heard, Joining, Membership, NodeRow, Probe, Topic } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { PgNotification, PgResult } from "./driver.ts";
import { nodeOf } from "./rows.ts";
import type { Session } from "./session.ts";

export interface MembershipConnections {
  /** Holds our session lock. Its loss is our loss. */
  readonly lock: Connection;
  /** Tries the locks of others. */
  readonly watch: Connection;
  /** LISTEN, announcements and the heartbeat: commits that nobody needs to be durable. */
  readonly listen: Connection;
}

export const channel = "tripact";

/**
 * After a failover whoever has work comes first: `lock` and those that deliver. What others have announced is looked for meanwhile; whether
 * they live, their counters say, since a free lock proves nothing then.
 */
export const LISTEN_BEHIND_MS = 100;
export const OTHERS_BEHIND_MS = 2_000;

const LOCK_TRIES_MAX = 40;
const LOCK_RETRY_MS = 50;
/** After this long, whoever lost its lock in a restart of the server has it back, if it lives. */
const GRACE_MS = 500;
const ANNOUNCE_EVERY_MS = 2;
/** An announcement is best effort: nobody waits long for it. */
const SAID_WITHIN_MS = 100;
/** However short the lease: a server may be slow for a moment, and a new session costs more than a late answer. */
const SILENCE_MIN_MS = 500;

/**
 * Nodes as rows, lives as session locks. Nobody ever waits for a lock: a waiting statement holds a snapshot, and vacuum with it.
 * When our lock's connection is lost, `listen` says `lost`; when it is back, `back`, and then the runtime joins again.
 */
export class PostgresMembership implements Membership {
  readonly #connections: MembershipConnections;
  readonly #ears = new Set<(heard: Heard) => void>();
  readonly #announcing = new Set<Topic>();
  readonly #underWay = new Set<Promise<void>>();
  #joined: string | undefined;
  #looks: Looks | undefined;
  #watchedBefore = false;
  #leaseMs: number | undefined;

  constructor(connections: MembershipConnections) {
    this.#connections = connections;
  }

  /**
   * How long a server may leave us without an answer. Half a lease for beats and looks, so that a connection that is dead can be replaced
   * before others take us for dead. A whole lease for the lock, because to give up its session is to give up the lock: by then others
   * have given us up as well. Until a node has joined, a statement's usual time.
   */
  readonly silenceMs = (): number | undefined => (this.#leaseMs === undefined ? undefined : Math.max(SILENCE_MIN_MS, this.#leaseMs / 2));
  readonly lockSilenceMs = (): number | undefined => (this.#leaseMs === undefined ? undefined : Math.max(2 * SILENCE_MIN_MS, this.#leaseMs));

  async join(node: Joining): Promise<boolean> {
    this.#leaseMs = node.leaseMs;
    const isFirst = this.#joined !== node.incarnation;
    return this.#connections.lock.exclusive(async (session) => {
      // We begin anew after we were fenced: nobody waits for the old lock, but it should not outlive its node.
      if (isFirst && this.#joined !== undefined) await releaseLock(session, this.#joined);
      const { hasLock, hasRow } = await lockAndSay(session, node, isFirst);
      if (hasRow) this.#joined = node.incarnation;
      else if (hasLock) await releaseLock(session, node.incarnation);
      return hasRow;
    });
  }

  /** A node whose lock's session is dead without knowing it is not alive: that connection, idle otherwise, has to answer too. */
  async beat(incarnation: string): Promise<readonly NodeRow[]> {
    const { lock } = this.#connections;
    const [rows] = await Promise.all([this.#raise(incarnation), lock.query({ name: "tripact_alive", reads: true, text: "select" })]);
    return rows.map(nodeOf);
  }

  async #raise(incarnation: string): Promise<PgResult["rows"]> {
    const { rows } = await this.#connections.listen.query({
      name: "tripact_beat",
      text: `
with raised as (
  update tripact.node set beat = beat + 1 where incarnation = $1 and fenced_at is null returning incarnation, beat
)
select n.incarnation::text, n.name, coalesce(raised.beat, n.beat)::text as beat, n.fenced_at is not null as fenced, n.runs
  from tripact.node n left join raised on raised.incarnation = n.incarnation
 order by n.incarnation`,
      values: [incarnation],
    });
    return rows;
  }

  /**
   * A free lock proves death only to a session that is older than the loss: one that saw this lock held. To a store that has just
   * started, a lock that stays free for the grace proves it as well; after a reconnect it proves nothing (a failover drops every lock
   * at once), and the counter must decide.
   */
  async probe(incarnation: string): Promise<Probe> {
    if (this.#connections.watch.letsOthersFirst) return "unsure";
    return this.#connections.watch.exclusive(async (session) => {
      const { rows } = await session.query({
        name: "tripact_probe",
        reads: true,
        text: `select case when pg_try_advisory_lock($1::bigint) then pg_advisory_unlock($1::bigint) else false end as free`,
        values: [lockKey(incarnation)],
      });
      const looks = this.#looksOf(session);
      if (rows[0]?.["free"] !== true) {
        looks.held.add(incarnation);
        looks.freeSinceMs.delete(incarnation);
        return "held";
      }
      if (looks.held.has(incarnation)) return "free";
      const nowMs = performance.now();
      const freeSinceMs = looks.freeSinceMs.get(incarnation) ?? nowMs;
      looks.freeSinceMs.set(incarnation, freeSinceMs);
      return looks.isFirstSession && nowMs - freeSinceMs >= GRACE_MS ? "free" : "unsure";
    });
  }

  async fence(incarnation: string): Promise<boolean> {
    const { rows } = await this.#connections.lock.query({
      text: `update tripact.node set fenced_at = clock_timestamp() where incarnation = $1 and fenced_at is null returning incarnation`,
      values: [incarnation],
    });
    return rows.length === 1;
  }

  async leave(incarnation: string): Promise<void> {
    await this.#connections.lock.exclusive(async (session) => {
      // What is still open goes back to nobody: without our row, no other node would know whose it was.
      await session.query({
        text: `
with mine as (select gid from tripact.transaction where owner = $1 and ended_at is null order by gid for update)
update tripact.transaction t set owner = null from mine where t.gid = mine.gid`,
        values: [incarnation],
      });
      await session.query({ text: `delete from tripact.node where incarnation = $1`, values: [incarnation] });
      await releaseLock(session, incarnation);
    });
    this.#joined = undefined;
  }

  announce(topic: Topic): void {
    if (this.#announcing.has(topic)) return;
    this.#announcing.add(topic);
    const said = this.#announceSoon(topic).finally(() => this.#underWay.delete(said));
    this.#underWay.add(said);
  }

  /** For the store that closes the connections: what was announced is on its way, or late. Whoever announces and leaves is heard, too. */
  async said(): Promise<void> {
    const { promise: late, resolve: tooLate } = Promise.withResolvers<void>();
    const timer = setTimeout(tooLate, SAID_WITHIN_MS);
    await Promise.race([Promise.all(this.#underWay), late]);
    clearTimeout(timer);
  }

  listen(hear: (heard: Heard) => void): () => void {
    this.#ears.add(hear);
    return () => this.#ears.delete(hear);
  }

  /** For the store that owns the connections: what their notifications, losses and reconnects mean. */
  hear(notification: PgNotification): void {
    const isOurOwn = notification.processId === this.#connections.listen.session?.backend.pid;
    if (notification.channel === channel && !isOurOwn && isTopic(notification.payload)) this.tell(notification.payload);
  }

  tell(heard: Heard): void {
    for (const ear of this.#ears) ear(heard);
  }

  /** Whatever was announced while nobody listened is unknown: have a look at everything. */
  tellAll(): void {
    for (const topic of topics) this.tell(topic);
  }

  async #announceSoon(topic: Topic): Promise<void> {
    await sleep(ANNOUNCE_EVERY_MS);
    this.#announcing.delete(topic);
    // Best effort: other nodes also poll.
    await this.#connections.listen
      .query({ name: "tripact_announce", reads: true, text: `select pg_notify('${channel}', $1)`, values: [topic] })
      .catch(() => {});
  }

  #looksOf(session: Session): Looks {
    if (this.#looks?.session !== session) {
      this.#looks = { session, isFirstSession: !this.#watchedBefore, held: new Set(), freeSinceMs: new Map() };
      this.#watchedBefore = true;
    }
    return this.#looks;
  }
}

/** What one watch session has seen. */
interface Looks {
  readonly session: Session;
  readonly isFirstSession: boolean;
  readonly held: Set<string>;
  readonly freeSinceMs: Map<string, number>;
}

const topics: readonly Topic[] = ["work", "mail", "ended", "outbox", "desk", "nodes"];

function isTopic(payload: string | undefined): payload is Topic {
  return topics.some((topic) => topic === payload);
}

/**
 * The lock and then the row, in one statement: a row whose lock is free would look dead from birth, and after a failover each round trip
 * is one between two busy machines. Without a row: the lock is somebody else's for good, or the node was fenced.
 */
async function lockAndSay(session: Session, { incarnation, name, runs }: Joining, isFirst: boolean): Promise<{ readonly hasLock: boolean; readonly hasRow: boolean }> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries += 1) {
    const { rows } = await session.query({
      // Session locks count: taken twice, it would have to be let go of twice.
      text: `
with held as materialized (
  select exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and granted and objsubid = 1
                    and ((classid::bigint << 32) | objid::bigint) = $1::bigint)
         or pg_try_advisory_lock($1::bigint) as ours
), said as (
  ${isFirst ? insertNode : updateNode} returning 1
)
select ours, exists (select from said) as said from held`,
      values: [lockKey(incarnation), incarnation, name, JSON.stringify(runs)],
    });
    const [row] = rows;
    if (row?.["ours"] === true) return { hasLock: true, hasRow: row["said"] === true };
    // A peer that is just trying it holds it for less than a millisecond; a lost session's backend is gone before we are back.
    await sleep(LOCK_RETRY_MS);
  }
  return { hasLock: false, hasRow: false };
}

const insertNode = `
  insert into tripact.node (incarnation, name, runs) select $2::uuid, $3::text, $4::text from held where ours
  on conflict (incarnation) do update set runs = excluded.runs, beat = node.beat + 1 where node.fenced_at is null`;
const updateNode = `
  update tripact.node set name = $3::text, runs = $4::text, beat = beat + 1 from held where ours and incarnation = $2::uuid and fenced_at is null`;

async function releaseLock(session: Session, incarnation: string): Promise<void> {
  await session.query({ reads: true, text: `select pg_advisory_unlock($1::bigint)`, values: [lockKey(incarnation)] });
}

/** Advisory locks are numbers, and every database has its own. */
function lockKey(incarnation: string): string {
  return createHash("sha256").update(`tripact/${incarnation}`).digest().readBigInt64BE().toString();
}
