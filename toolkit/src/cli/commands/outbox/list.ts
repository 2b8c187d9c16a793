import type { Desk, DeskQuery, RetryRow, RetryState } from "../../../stores/outbox-log.ts";
import { EXIT, type Command } from "../../command.ts";
import { withLog } from "../../outbox-log.ts";
import { storeHelp, storeOptions } from "../../store.ts";
import { printList, type Listed } from "./print.ts";

const STATES = ["waiting", "late", "parked", "skipped", "discarded"] as const satisfies readonly RetryState[];
/** A key waits behind one of these. */
const HOLDING = ["waiting", "late", "parked"] as const satisfies readonly RetryState[];

export const command: Command = {
  usage: "[--subscription NAME] [--state STATE] [--topic TOPIC] [--key KEY] [--limit N] [--json]",
  details: `${storeHelp}
  --subscription NAME  only this one
  --state STATE        ${STATES.join(", ")}; all but discarded when absent
  --topic, --key       exactly these
  --limit N            rows at most, the oldest first (default 50)
  --json               an array of objects instead of a table, with payloads

  waiting    failed and tried again by itself, or behind one of its key that was
  late       still tried, past its usual tries; ends when the receiver answers
  parked     answered no, or given up: waits for a person, and its key with it
  skipped    the same, but its key goes on        discarded  a person's word

Messages that never failed are not here: see tripact outbox status.`,
  options: { ...storeOptions, subscription: { type: "string" }, state: { type: "string" }, topic: { type: "string" }, key: { type: "string" }, limit: { type: "string" }, json: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const state = args.oneOf("state", STATES);
    const limit = args.whole("limit", 50, 1, 10_000);
    const [subscription, topic, key] = ["subscription", "topic", "key"].map((name) => args.text(name));
    const query = { limit, ...(subscription === undefined ? {} : { subscription }), ...(topic === undefined ? {} : { topic }), ...(key === undefined ? {} : { key }) };
    const listed = await withLog(args, io, async ({ desk }) => {
      const rows = await oldest(desk, query, state === undefined ? STATES.filter((it) => it !== "discarded") : [state]);
      return behindWhom(desk, rows);
    });
    if (args.flag("json")) io.out(`${JSON.stringify(listed.map(({ row, behind }) => ({ ...row, ...(behind === undefined ? {} : { behind }) })), null, 2)}\n`);
    else if (listed.length === 0) io.out(`no messages ${state === undefined ? "have failed" : `are ${state}`}\n`);
    else io.out(`${printList(listed, Date.now())}${listed.length === limit ? `\nthe oldest ${limit}; --limit shows more` : ""}\n`);
    return EXIT.ok;
  },
};

/** The oldest rows in any of these states. */
async function oldest(desk: Desk, query: DeskQuery, states: readonly RetryState[]): Promise<readonly RetryRow[]> {
  const each = await Promise.all(states.map((state) => desk.list({ ...query, state })));
  const inOrder = (a: RetryRow, b: RetryRow): number => a.message.seq - b.message.seq || (a.subscription < b.subscription ? -1 : 1);
  return each.flat().toSorted(inOrder).slice(0, query.limit);
}

/** With each waiting row the first one of its key, unless it is that itself. */
async function behindWhom(desk: Desk, rows: readonly RetryRow[]): Promise<readonly Listed[]> {
  const heads = new Map<string, string>();
  const listed: Listed[] = [];
  for (const row of rows) {
    const { subscription, state, message } = row;
    if (state !== "waiting") {
      listed.push({ row });
      continue;
    }
    const { topic, key } = message;
    const name = JSON.stringify([subscription, topic, key]);
    const head = heads.get(name) ?? (await oldest(desk, { subscription, topic, key, limit: 1 }, HOLDING))[0]?.message.id ?? message.id;
    heads.set(name, head);
    listed.push(head === message.id ? { row } : { row, behind: head });
  }
  return listed;
}
