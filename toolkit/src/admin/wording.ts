/** What an event says, in words. Pure; names no gid, for it stands in that transaction's own timeline. */
import type { Json } from "../protocol/json.ts";
import { askedOp, hasEnded, type Branch, type EventOf, type Offer, type RollBackReason, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";

const TEXT_MAX = 200;
const RESULT_MAX = 80;

/** `before` is the state that the event met. */
export function wordsOf(event: TransactionEvent, before: Transaction): string {
  switch (event.kind) {
    case "started":
      return wordsOfStart(event);
    case "registered":
      return `registered: ${wordsOfOffer(event.offer)}`;
    case "attempted":
      return `${wordsOfCall(event, before)}${wordsOfCount(event, before)} unknown (${plain(event.code)}): ${plain(event.error)}; ${wordsOfRetry(event, before)}`;
    case "pending":
      return `${wordsOfCall(event, before)} not yet; asked again in ${wordsOfMs(event.retryAfterMs)}`;
    case "done":
      return event.op === "wake" ? "woke up" : `${wordsOfCall(event, before)} done${wordsOfResult(event.result)}`;
    case "refused":
      return `${wordsOfCall(event, before)} refused: ${plain(event.code)}${wordsOfResult(event.details)}`;
    case "emitted":
      return `message to ${plain(event.topic)}, key ${plain(event.key)}: goes with the commit`;
    case "recorded":
      return `${event.source} recorded: ${plain(String(event.value))}`;
    case "roll-back-requested":
      return `roll back asked for: ${wordsOfReason(event.reason)}${isTooLate(before) ? "; too late, it was decided" : ""}`;
    case "commit-requested":
      return "nothing more to do: commit asked for";
    case "deadline-reached":
      return "deadline reached";
    case "decided":
      return event.decision === "commit" ? "DECIDED: commit" : `DECIDED: roll back${before.kind === "forward" && before.rollBack !== undefined ? `, ${wordsOfReason(before.rollBack)}` : ""}`;
    case "parked":
      return `PARKED, a person has to look: ${event.reason}: ${plain(event.detail)}`;
    case "operator-decided":
      return `${plain(event.who)} decided ${event.verdict}: ${plain(event.why)}`;
    case "recovered":
      return `taken over in epoch ${event.epoch}`;
  }
}

export function wordsOfReason(reason: RollBackReason): string {
  switch (reason.kind) {
    case "refused":
      return `${plain(reason.branch)} refused (${plain(reason.code)})`;
    case "refused-by-flow":
      return `the flow refused (${plain(reason.code)})`;
    case "attempts-spent":
      return `${plain(reason.branch)} used up its attempts: ${plain(reason.error)}`;
    case "cancelled":
      return `cancelled by ${plain(reason.by)}`;
    case "deadline":
      return "the deadline passed";
    case "reservation-expired":
      return `the reservation of ${plain(reason.branch)} expired`;
    case "flow-threw":
      return `the flow threw: ${plain(reason.error)}`;
  }
}

/** `850 ms`, `12.3 s`, `4 min`, `3 h`, `2 d`. */
export function wordsOfMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 2 * 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** Text from outside on one line of a terminal: control characters would be obeyed there, so they are shown instead. */
export function plain(text: string, charactersMax = TEXT_MAX): string {
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
  return shown.length <= charactersMax ? shown : `${shown.slice(0, charactersMax)}…`;
}

function wordsOfStart({ plan, deadlineMs }: EventOf<"started">): string {
  const branches = plan?.groups.flat().length;
  const what = branches === undefined ? "started" : `started: a plan of ${branches} ${branches === 1 ? "branch" : "branches"}`;
  return deadlineMs === undefined ? what : `${what}, deadline ${wordsOfMs(deadlineMs)}`;
}

function wordsOfOffer(offer: Offer): string {
  const at = "target" in offer && offer.target !== undefined ? ` at ${plain(offer.target.participant)}` : "";
  switch (offer.kind) {
    case "step":
      return `step${at}, ${offer.undo === "nothing" ? "nothing to undo" : "can be undone"}`;
    case "pivot":
      return `pivot${at}, ${offer.afterMs === undefined ? "" : `asked after ${wordsOfMs(offer.afterMs)}, `}no way back once it is done`;
    case "tcc":
      return `tcc${at}${offer.expiresAfterMs === undefined ? "" : `, expires after ${wordsOfMs(offer.expiresAfterMs)}`}`;
    case "sql":
      return `local SQL step, ${offer.undo === "nothing" ? "nothing to undo" : "can be undone"}`;
    case "timer":
      return `sleep of ${wordsOfMs(offer.afterMs)}`;
  }
}

/** `action` for the first attempt, `action #3` for the third that this journal knows of. */
function wordsOfCall(event: EventOf<"attempted" | "pending" | "done" | "refused">, before: Transaction): string {
  const attempts = branchIn(before, event.branch)?.attempts ?? 0;
  return attempts === 0 ? event.op : `${event.op} #${attempts + 1}`;
}

/** The rest of `action #6` where an entry stands for several. */
function wordsOfCount({ branch, count = 1 }: EventOf<"attempted">, before: Transaction): string {
  return count === 1 ? "" : ` to #${(branchIn(before, branch)?.attempts ?? 0) + count}`;
}

function wordsOfRetry({ branch: name, spent, retryAfterMs }: EventOf<"attempted">, before: Transaction): string {
  const branch = branchIn(before, name);
  const lastChance = spent && before.kind === "forward" && branch?.offer.kind !== "pivot";
  if (lastChance) return "attempts used up";
  return `again in ${wordsOfMs(retryAfterMs)}${spent ? ", late" : ""}`;
}

function wordsOfResult(result: Json | undefined): string {
  return result === undefined ? "" : ` ${plain(JSON.stringify(result), RESULT_MAX)}`;
}

function isTooLate(before: Transaction): boolean {
  return hasEnded(before) || before.kind === "committing" || before.kind === "rolling-back";
}

function branchIn(state: Transaction, name: string): Branch | undefined {
  return state.kind === "unborn" ? undefined : state.branches.find((branch) => branch.name === name && askedOp(branch) !== undefined);
}
