import type { Nodes } from "../../../admin/nodes.ts";
import { table } from "../../../admin/print-timeline.ts";
import { plain, wordsOfMs } from "../../../admin/wording.ts";
import type { LaneRow, LoggedMessage, RetryRow, Standing, SubscriptionStanding } from "../../../stores/outbox-log.ts";

/** Text for a terminal about an outbox. Pure: what is printed depends on nothing else. */

const ERROR_MAX = 60;
const PAYLOAD_MAX = 2_000;

/** A row of the retry table; `behind` is the message of its key that it waits for. */
export interface Listed {
  readonly row: RetryRow;
  readonly behind?: string;
}

export function printList(listed: readonly Listed[], nowMs: number): string {
  const rows = listed.map(({ row, behind }) => [row.message.id, plain(row.subscription), stateOf(row.state), plain(row.message.topic), plain(row.message.key), ageOf(row.message, nowMs), noteOf(row, behind, ERROR_MAX)]);
  return table([["ID", "SUBSCRIPTION", "STATE", "TOPIC", "KEY", "AGE", "NOTE"], ...rows]).join("\n");
}

export function printMessage(message: LoggedMessage, standings: readonly Standing[], nowMs: number): string {
  const headers = Object.entries(JSON.parse(message.headers) as Record<string, string>);
  const lines = [
    `${message.id}  topic ${plain(message.topic)}, key ${plain(message.key)}`,
    `written ${new Date(message.recordedAtMs).toISOString()}, ${ageOf(message, nowMs)} ago; number ${message.seq}, lane ${message.lane}`,
    ...headers.map(([name, value]) => `header ${plain(name)}: ${plain(value)}`),
    `payload ${plain(message.payload, PAYLOAD_MAX)}`,
    "",
  ];
  if (standings.length === 0) return [...lines, "no subscription has read this outbox yet"].join("\n");
  const rows = standings.map(({ subscription, state, retry, behind }) => [
    `  ${plain(subscription)}`,
    stateOf(state),
    retry === undefined ? (behind === undefined ? "" : `waiting behind ${behind}`) : noteOf(retry, behind, PAYLOAD_MAX),
  ]);
  return [...lines, "subscriptions", ...table(rows)].join("\n");
}

export function printStandings(standings: readonly SubscriptionStanding[], lanes: readonly LaneRow[], relays: Relays): string {
  if (standings.length === 0) return "no subscription has read this outbox yet";
  const rows = standings.map((it) => [
    plain(it.subscription),
    String(it.pending),
    it.pending === 0 ? "-" : wordsOfMs(it.oldestPendingMs),
    ...[it.waiting, it.late, it.parked, it.skipped].map(String),
    ownersOf(it.subscription, lanes, relays)
      .map(({ owner, lanes: count }) => `${plain(owner)} ${count}`)
      .join(", "),
  ]);
  return table([["SUBSCRIPTION", "PENDING", "OLDEST", "WAITING", "LATE", "PARKED", "SKIPPED", "LANES"], ...rows]).join("\n");
}

/** Who may own lanes, and which of them do not live. */
export interface Relays {
  readonly nodes: Nodes;
  readonly gone: ReadonlySet<string>;
}

/** How many lanes of a subscription each relay has. */
export function ownersOf(subscription: string, lanes: readonly LaneRow[], { nodes, gone }: Relays): readonly { readonly owner: string; readonly lanes: number }[] {
  const owned = Map.groupBy(lanes.filter((lane) => lane.subscription === subscription), ({ owner }) => owner);
  return [...owned]
    .map(([owner, mine]) => ({ owner: owner !== null && gone.has(owner) ? `${nodes.nameOf(owner)} (gone)` : nodes.nameOf(owner), lanes: mine.length }))
    .toSorted((a, b) => (a.owner < b.owner ? -1 : 1));
}

/** What asks for a person stands out. */
function stateOf(state: Standing["state"]): string {
  return state === "parked" || state === "late" ? state.toUpperCase() : state;
}

function ageOf({ recordedAtMs }: LoggedMessage, nowMs: number): string {
  return wordsOfMs(Math.max(0, nowMs - recordedAtMs));
}

function noteOf({ attempts, error, decidedBy, decidedReason, state }: RetryRow, behind: string | undefined, errorMax: number): string {
  const tries = attempts === 0 ? "" : `${attempts} ${attempts === 1 ? "try" : "tries"}`;
  const failed = [tries, error === undefined ? "" : plain(error, errorMax)].filter((part) => part !== "").join(": ");
  const decided = decidedBy === undefined ? "" : `${state === "discarded" ? "discarded" : "requeued"} by ${plain(decidedBy)}: ${plain(decidedReason ?? "")}`;
  return [behind === undefined ? "" : `waiting behind ${behind}`, behind === undefined ? failed : "", decided].filter((part) => part !== "").join("; ");
}
