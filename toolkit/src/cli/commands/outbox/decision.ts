import { plain } from "../../../admin/wording.ts";
import type { Desk, DeskDecision, RetryState } from "../../../stores/outbox-log.ts";
import { CommandError, EXIT, usageError, type Args, type Command, type ExitCode, type Io } from "../../command.ts";
import { whoIn } from "../../letter.ts";
import { messageId, withLog } from "../../outbox-log.ts";
import { storeHelp, storeOptions } from "../../store.ts";

/** One of a person's two words about messages that failed. */
export interface Verb {
  readonly name: "requeue" | "discard";
  readonly past: string;
  readonly usage: string;
  readonly details: string;
  /** Rows in these states can be decided on. */
  readonly from: readonly RetryState[];
  readonly allParked: boolean;
  readonly example: string;
  readonly decide: (desk: Desk, decision: DeskDecision) => Promise<number>;
}

export function decisionCommand(verb: Verb): Command {
  return {
    usage: verb.usage,
    details: `${storeHelp}
  --subscription NAME  only for this one; else for every subscription in which the message has failed
  --reason TEXT        why; stays with the message
  --who NAME           who decides (default: this shell's user)
${verb.details}`,
    options: { ...storeOptions, ...(verb.allParked ? { "all-parked": { type: "boolean" } } : {}), subscription: { type: "string" }, reason: { type: "string" }, who: { type: "string" } },
    positionals: { min: 0, max: 1_000 },
    run: (args, io) => run(verb, args, io),
  };
}

async function run(verb: Verb, args: Args, io: Io): Promise<ExitCode> {
  const ids = args.positionals.map(messageId);
  const all = args.flag("all-parked");
  const reason = args.text("reason");
  const subscription = args.text("subscription");
  if (reason === undefined || reason.trim() === "") throw usageError(`a decision needs its reason: --reason "${verb.example}"`);
  if (all && ids.length > 0) throw usageError("name messages or say --all-parked, not both");
  if (!all && ids.length === 0) throw usageError(`which? tripact outbox ${verb.name} ${verb.usage}`);
  const who = whoIn(args);
  const changed = await withLog(args, io, async ({ desk }) => {
    // First a look at all of them: one that is misspelt must not leave half a decision.
    for (const id of ids) await demand(desk, verb, id, subscription);
    return verb.decide(desk, { ids: all ? "all-parked" : ids, who, reason, ...(subscription === undefined ? {} : { subscription }) });
  });
  if (changed === 0 && !all) throw new CommandError(EXIT.refused, `nothing to ${verb.name} any more: a relay, or somebody else, was faster`);
  io.out(`${verb.past} ${changed} ${changed === 1 ? "delivery" : "deliveries"}${all ? "" : ` of ${ids.length} ${ids.length === 1 ? "message" : "messages"}`}\n`);
  return EXIT.ok;
}

async function demand(desk: Desk, verb: Verb, id: string, subscription: string | undefined): Promise<void> {
  const found = await desk.find(id);
  if (found === undefined) throw new CommandError(EXIT.notFound, `no message has the id ${id}, or it was delivered everywhere and is gone; nothing was changed`);
  const standings = found.standings.filter((it) => subscription === undefined || it.subscription === subscription);
  if (standings.some(({ retry }) => retry !== undefined && verb.from.includes(retry.state))) return;
  const how = standings.map((it) => `${it.state} in ${plain(it.subscription)}`).join(", ");
  throw new CommandError(EXIT.refused, `nothing to ${verb.name}: ${id} is ${how === "" ? `unknown to ${plain(subscription ?? "every subscription")}` : how}; nothing was changed`);
}
