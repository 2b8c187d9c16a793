import { readNodes, type Nodes } from "../../admin/nodes.ts";
import { table } from "../../admin/print-timeline.ts";
import { plain, wordsOfMs } from "../../admin/wording.ts";
import type { JournalHeader, ListQuery } from "../../stores/store.ts";
import { EXIT, type Command } from "../command.ts";
import { storeHelp, storeOptions, withStore } from "../store.ts";

const STATES = ["open", "parked", "late", "unclaimed", "ended"] as const satisfies readonly NonNullable<ListQuery["state"]>[];
const REASON_MAX = 60;

export const command: Command = {
  usage: "[--state STATE] [--definition NAME] [--limit N] [--json]",
  details: `${storeHelp}
  --state STATE        ${STATES.join(", ")}; all when absent
  --definition NAME    only this definition; plans have "plan"
  --limit N            rows at most, the newest first (default 50)
  --json               an array of objects instead of a table

  open       not ended yet         parked     waits for a person: see tripact decide --help
  ended      it has an outcome     late       still being asked, past its usual time; ends by itself
                                   unclaimed  open, and no living node drives it`,
  options: { ...storeOptions, state: { type: "string" }, definition: { type: "string" }, limit: { type: "string" }, json: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const state = args.oneOf("state", STATES);
    const definition = args.text("definition");
    const limit = args.whole("limit", 50, 1, 10_000);
    const query = { limit, ...(state === undefined ? {} : { state }), ...(definition === undefined ? {} : { definition }) };
    const { headers, nodes } = await withStore(args, io, async (store) => ({ headers: await store.journal.list(query), nodes: await readNodes(store.membership) }));
    if (args.flag("json")) io.out(`${JSON.stringify(headers.map((header) => row(header, nodes)), null, 2)}\n`);
    else if (headers.length === 0) io.out(`no transactions${state === undefined ? "" : ` are ${state}`}${definition === undefined ? "" : ` of ${plain(definition)}`}\n`);
    else io.out(`${printed(headers, nodes, Date.now())}${headers.length === limit ? `\nthe newest ${limit}; --limit shows more` : ""}\n`);
    return EXIT.ok;
  },
};

function printed(headers: readonly JournalHeader[], nodes: Nodes, nowMs: number): string {
  const rows = headers.map((header) => {
    const { gid, definition, status, age, owner, note } = { ...row(header, nodes), age: wordsOfMs(Math.max(nowMs - header.startedAtMs, 0)), note: noteOf(header) };
    return [plain(gid), definition === "" ? "-" : plain(`${definition}@${header.version}`), status, age, plain(owner ?? "-"), note];
  });
  return table([["GID", "DEFINITION", "STATUS", "AGE", "OWNER", "NOTE"], ...rows]).join("\n");
}

function noteOf({ summary }: JournalHeader): string {
  if (summary.parked !== undefined) return `PARKED: ${plain(summary.parked, REASON_MAX)}`;
  return summary.late && !summary.ended ? "LATE" : "";
}

function row({ gid, definition, version, summary, owner, epoch, startedAtMs, updatedAtMs }: JournalHeader, nodes: Nodes) {
  const { status, parked, late, ended } = summary;
  return {
    gid,
    definition,
    version,
    status,
    ...(parked === undefined ? {} : { parked }),
    late,
    ...(ended ? {} : { owner: nodes.nameOf(owner) }),
    epoch,
    startedAtMs,
    updatedAtMs,
  };
}
