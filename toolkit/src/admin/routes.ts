/** Every route of the admin server: what it takes, what it asks of the coordinator, what it answers. `openapi.ts` describes the same ones. */
import { TripactError } from "../protocol/errors.ts";
import { checkBranch, checkGid } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import type { Plan } from "../protocol/plan.ts";
import { systemClock } from "../runtime/clock.ts";
import { outcomeOfRecord } from "../runtime/reading.ts";
import type { TransactionOutcome } from "../runtime/outcome.ts";
import type { JournalRecord, ListQuery, Store } from "../stores/store.ts";
import type { Tripact } from "../tripact.ts";
import { allowOnly, completionIn, demandText, flagIn, nameIn, numberIn, textIn, verdictIn, wrong, type Members } from "./body.ts";
import { previewOf, type Decision } from "./decision.ts";
import { HttpFailure } from "./failures.ts";
import { readNodes } from "./nodes.ts";
import { openapi } from "./openapi.ts";
import { stateOf, timelineOf } from "./timeline.ts";
import type { Waits } from "./waits.ts";

/** What the routes work on. */
export interface Admin {
  readonly tripact: Tripact;
  readonly store: Store;
  /** Ready for work, and not about to stop. */
  readonly ready: () => boolean;
  readonly waits: Waits;
  /** How long a request may wait for an end or a decision. */
  readonly waitMs: number;
}

export interface Asked {
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Members;
  readonly traceparent: string | undefined;
  /** Came with the token. Only open routes are called without. */
  readonly trusted: boolean;
  /** Aborts when the caller has gone, or the server stops. */
  readonly signal: AbortSignal;
}

export interface Reply {
  readonly status: number;
  readonly body: object;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** `{name}` stands for one segment. */
  readonly path: string;
  /** Needs no token. */
  readonly open?: true;
  /** What its query may hold; nothing when absent. Of an open route it is not looked at: probes append what they like. */
  readonly query?: readonly string[];
  readonly handle: (asked: Asked, admin: Admin) => Reply | Promise<Reply>;
}

const ONE = "/v1/transactions/{gid}";
const LIST_MAX = 1_000;
const LIST_DEFAULT = 100;
const STATES: readonly NonNullable<ListQuery["state"]>[] = ["open", "parked", "late", "unclaimed", "ended"];
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export const routes: readonly Route[] = [
  { method: "GET", path: "/v1/health", open: true, handle: health },
  { method: "GET", path: "/v1/ready", open: true, handle: (_, { ready }) => ({ status: ready() ? 200 : 503, body: { ready: ready() } }) },
  { method: "GET", path: "/openapi.json", handle: () => ({ status: 200, body: openapi }) },
  { method: "POST", path: "/v1/transactions", handle: start },
  { method: "GET", path: "/v1/transactions", query: ["state", "definition", "limit", "before"], handle: list },
  { method: "GET", path: ONE, query: ["peek"], handle: outcome },
  { method: "GET", path: `${ONE}/timeline`, handle: timeline },
  { method: "POST", path: `${ONE}/outcome`, handle: expired },
  { method: "POST", path: `${ONE}/cancel`, handle: cancel },
  { method: "POST", path: `${ONE}/decide`, handle: decide },
  { method: "POST", path: `${ONE}/branches/{branch}/complete`, handle: complete },
];

/** Without the token it says no more than a load balancer needs. */
async function health({ trusted }: Asked, { tripact, store, ready }: Admin): Promise<Reply> {
  const { state } = store.health();
  const status = state === "up" ? 200 : 503;
  if (!trusted) return { status, body: { store: { state }, ready: ready() } };
  return { status, body: { ...(await tripact.health()), ready: ready() } };
}

async function start({ body, traceparent, signal }: Asked, { tripact, waits, waitMs }: Admin): Promise<Reply> {
  allowOnly(body, ["gid", "plan", "deadlineMs", "wait"]);
  if (body["plan"] === undefined) throw new TripactError("invalid-plan", "There is no plan.", { hint: "Send { plan: { groups: [[ ... ]] } }." });
  // Whatever was sent, `startPlan` checks it at its door.
  const plan: unknown = body["plan"];
  const wait = flagIn(body, "wait");
  const gid = textIn(body, "gid");
  const deadlineMs = numberIn(body, "deadlineMs");
  const options = {
    ...(gid === undefined ? {} : { gid }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(traceparent === undefined || !TRACEPARENT.test(traceparent) ? {} : { traceparent }),
  };
  const started = await tripact.startPlan(plan as Plan, options);
  if (!wait || waits.full) return { status: 202, body: started };
  // It is durable already: the second call attaches to it, and waits.
  const end = await waits
    .within(`end ${started.gid}`, waitMs, signal, () => tripact.runPlan(plan as Plan, { gid: started.gid }))
    .catch((error: unknown) => {
      if (error instanceof TripactError && (error.code === "overloaded" || error.code === "stopped" || error.code === "abandoned")) return undefined;
      throw error;
    });
  return end === undefined ? { status: 202, body: started } : { status: 200, body: end };
}

async function list({ query }: Asked, { tripact, store }: Admin): Promise<Reply> {
  const state = stateIn(query);
  const definition = query.get("definition");
  const before = cursorIn(query);
  const limit = limitIn(query);
  const [headers, nodes] = await Promise.all([
    tripact.list({ limit, ...(state === undefined ? {} : { state }), ...(definition === null ? {} : { definition }), ...(before === undefined ? {} : { before }) }),
    readNodes(store.membership),
  ]);
  const transactions = headers.map(({ gid, definition: name, version, summary, owner, epoch, startedAtMs, updatedAtMs }) => {
    const { status, parked, late, ended } = summary;
    return { gid, definition: name, version, status, ...(parked === undefined ? {} : { parked }), late, ...(ended ? {} : { owner: nodes.nameOf(owner) }), epoch, startedAtMs, updatedAtMs };
  });
  const last = headers.at(-1);
  const next = last === undefined || headers.length < limit ? {} : { next: `${last.startedAtMs}.${last.gid}` };
  return { status: 200, body: { transactions, ...next } };
}

/** Asking settles it: a gid that nobody has started is refused from now on. `peek=1` only looks. */
async function outcome({ path, query }: Asked, { tripact, store }: Admin): Promise<Reply> {
  const gid = gidIn(path);
  const peek = query.get("peek");
  if (peek !== null && peek !== "1") throw wrong("peek is 1, or not there: without it an unknown gid never starts from now on");
  if (peek === null) return { status: 200, body: await tripact.outcome(gid) };
  return { status: 200, body: outcomeOfRecord(await recordOf(store, gid), { clock: systemClock, notify: () => undefined }) };
}

async function timeline({ path }: Asked, { store }: Admin): Promise<Reply> {
  const [record, nodes] = await Promise.all([recordOf(store, gidIn(path)), readNodes(store.membership)]);
  return { status: 200, body: timelineOf(record, nodes) };
}

async function expired({ path, body, signal }: Asked, admin: Admin): Promise<Reply> {
  allowOnly(body, ["expiredBranch"]);
  const gid = gidIn(path);
  const expiredBranch = textIn(body, "expiredBranch");
  if (expiredBranch === undefined) return { status: 200, body: await admin.tripact.outcome(gid) };
  checkBranch(expiredBranch);
  return await untilDecided(`expired ${gid}`, gid, admin, signal, () => admin.tripact.outcome(gid, { expiredBranch }));
}

async function cancel({ path, body, signal }: Asked, admin: Admin): Promise<Reply> {
  allowOnly(body, ["by"]);
  const gid = gidIn(path);
  const by = nameIn(body, "by", "api");
  return await untilDecided(`cancel ${gid}`, gid, admin, signal, () => admin.tripact.cancel(gid, by));
}

/** 200 when it is decided; 202 when the request is on its way, and lies with whoever drives the transaction. */
async function untilDecided(key: string, gid: string, { tripact, waits, waitMs }: Admin, signal: AbortSignal, ask: () => Promise<TransactionOutcome>): Promise<Reply> {
  const decided = await waits.within(key, waitMs, signal, ask);
  return decided === undefined ? { status: 202, body: await tripact.outcome(gid) } : { status: 200, body: decided };
}

async function decide({ path, body }: Asked, { tripact, store }: Admin): Promise<Reply> {
  allowOnly(body, ["branch", "verdict", "reason", "who", "result"]);
  const gid = gidIn(path);
  const branch = textIn(body, "branch");
  const result: Json | undefined = body["result"];
  const decision: Decision = {
    kind: "decide",
    verdict: verdictIn(body),
    who: nameIn(body, "who", "api"),
    why: demandText(body, "reason"),
    ...(branch === undefined ? {} : { branch: checkBranch(branch) }),
    ...(result === undefined ? {} : { result }),
  };
  const preview = previewOf(gid, stateOf(await recordOf(store, gid)), decision);
  if (preview.kind === "impossible") throw new HttpFailure(409, { code: "nothing-to-decide", message: `This decision changes nothing: ${preview.why}.` });
  await tripact.decide(gid, decision.branch, decision.verdict, decision.why, { who: decision.who, ...(result === undefined ? {} : { result }) });
  return { status: 202, body: { gid, before: preview.before, after: preview.after } };
}

async function complete({ path, body }: Asked, { tripact }: Admin): Promise<Reply> {
  const gid = gidIn(path);
  const branch = checkBranch(path["branch"]);
  await tripact.complete(gid, branch, completionIn(body));
  return { status: 202, body: { gid, branch } };
}

async function recordOf(store: Store, gid: string): Promise<JournalRecord> {
  const [record] = await store.journal.read([gid]);
  if (record === undefined) throw new TripactError("unknown-transaction", "No transaction has this gid.", { where: gid });
  return record;
}

function gidIn(path: Asked["path"]): string {
  return checkGid(path["gid"]);
}

function stateIn(query: URLSearchParams): ListQuery["state"] {
  const text = query.get("state");
  if (text === null) return undefined;
  const state = STATES.find((it) => it === text);
  if (state === undefined) throw wrong(`state is one of ${STATES.join(", ")}`);
  return state;
}

function limitIn(query: URLSearchParams): number {
  const limit = Number(query.get("limit") ?? LIST_DEFAULT);
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIST_MAX) return limit;
  throw wrong(`limit is a whole number from 1 to ${LIST_MAX}`);
}

/** `next` of the page before: start time and gid of its last row. */
function cursorIn(query: URLSearchParams): ListQuery["before"] {
  const text = query.get("before");
  if (text === null) return undefined;
  const [, startedAtMs, gid] = /^(\d{1,15})\.(.+)$/.exec(text) ?? [];
  if (startedAtMs === undefined || gid === undefined) throw wrong("before is the `next` of an earlier page");
  return { startedAtMs: Number(startedAtMs), gid: checkGid(gid) };
}
