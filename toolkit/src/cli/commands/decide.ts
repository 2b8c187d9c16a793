import { previewOf, type Decision, type Preview } from "../../admin/decision.ts";
import { readNodes } from "../../admin/nodes.ts";
import { sentenceOf } from "../../admin/print-timeline.ts";
import { stateOf, timelineOf } from "../../admin/timeline.ts";
import { plain } from "../../admin/wording.ts";
import { checkBranch, checkGid } from "../../protocol/ids.ts";
import type { Json } from "../../protocol/json.ts";
import type { TransactionOutcome } from "../../runtime/outcome.ts";
import type { JournalRecord, Store } from "../../stores/store.ts";
import { CommandError, EXIT, usageError, type Args, type Command, type ExitCode, type Io } from "../command.ts";
import { deliver, whoIn } from "../letter.ts";
import { recordOf, storeHelp, storeOptions, withStore } from "../store.ts";

const VERDICTS = ["done", "refused", "retry", "skip"] as const;

export const command: Command = {
  usage: '<gid> [--branch NAME] done|refused|retry|skip --reason "..."',
  details: `${storeHelp}
  --branch NAME        the branch; without it, the transaction as a whole (retry: go on; refused: roll back)
  --reason TEXT        why; recorded in the journal, with who
  --who NAME           default: the user of this shell
  --result JSON        with done: what the op would have answered
  --dry-run            only say what it would do
  --wait-ms N          how long to watch it being taken up (default 5000)

  done     it has happened (at the other side), go on
  refused  it has not happened, and will not
  retry    ask again, now
  skip     leave it out

Says what the decision does before it is sent. It is left in the journal for whoever drives the transaction, now or later.`,
  options: {
    ...storeOptions,
    branch: { type: "string" },
    reason: { type: "string" },
    who: { type: "string" },
    result: { type: "string" },
    "dry-run": { type: "boolean" },
    "wait-ms": { type: "string" },
  },
  positionals: { min: 2, max: 2 },
  async run(args, io) {
    const gid = checkGid(args.positionals[0]);
    const decision = decisionIn(args);
    const waitMs = args.whole("wait-ms", 5_000, 0, 600_000);
    return await withStore(args, io, async (store) => {
      const record = await recordOf(store, gid);
      const preview = previewOf(gid, stateOf(record), decision);
      if (preview.kind === "impossible") throw new CommandError(EXIT.refused, `nothing to decide in ${gid}: ${preview.why}`);
      io.out(printPreview(gid, preview, decision));
      if (args.flag("dry-run")) return EXIT.ok;
      return await send(store, record, decision, waitMs, io);
    });
  },
};

function decisionIn(args: Args): Decision {
  const verdict = VERDICTS.find((it) => it === args.positionals[1]);
  if (verdict === undefined) throw usageError(`the decision is one of ${VERDICTS.join(", ")}`);
  const why = args.text("reason");
  if (why === undefined || why.trim() === "") throw usageError('a decision needs its reason: --reason "asked the bank, it was booked"');
  const branch = args.text("branch");
  const result = args.text("result");
  if (result !== undefined && verdict !== "done") throw usageError("--result goes with done only");
  return {
    kind: "decide",
    verdict,
    who: whoIn(args),
    why,
    ...(branch === undefined ? {} : { branch: checkBranch(branch) }),
    ...(result === undefined ? {} : { result: parsed(result) }),
  };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw usageError(`--result is JSON, such as '{"id": 7}' or '"text"'`);
  }
}

function printPreview(gid: string, { before, after }: Extract<Preview, { kind: "possible" }>, { branch, verdict }: Decision): string {
  const about = branch === undefined ? gid : `${gid}/${branch}`;
  return [`${verdict} for ${about}`, `  now    ${standing(before, branch)}`, `  then   ${standing(after, branch)}`, ""].join("\n");
}

function standing(outcome: TransactionOutcome, name: string | undefined): string {
  const branch = "branches" in outcome ? outcome.branches.find((it) => it.branch === name) : undefined;
  const about = branch === undefined ? "" : `${branch.branch} ${branch.state}; `;
  return `${about}${sentenceOf(outcome)}`;
}

async function send(store: Store, before: JournalRecord, decision: Decision, waitMs: number, io: Io): Promise<ExitCode> {
  const { gid } = before;
  const delivery = await deliver(store, gid, decision, waitMs);
  switch (delivery.kind) {
    case "waiting":
      io.out(`written down for ${gid}, not taken up yet: ${delivery.why}\n`);
      return EXIT.waiting;
    case "never-started":
      throw new CommandError(EXIT.notFound, `${gid} never started`);
    case "taken-up":
    case "ended": {
      const timeline = timelineOf(delivery.record, await readNodes(store.membership));
      const ours = timeline.lines.findLast((line) => line.seq > before.seq && line.kind === "operator-decided");
      if (ours === undefined) throw new CommandError(EXIT.refused, `it came too late and changed nothing: ${sentenceOf(timeline.outcome)}`);
      io.out(`taken up by ${plain(ours.by)}: ${sentenceOf(timeline.outcome)}\n`);
      return EXIT.ok;
    }
  }
}
