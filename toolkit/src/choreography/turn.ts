/** One event at the initiator's row, and all that follows from it: the row, the messages and the business's own word, in one commit. */
import { misuse } from "../participants/guard.ts";
import { send } from "../participants/outbox.ts";
import type { SendOptions } from "../participants/outbox.ts";
import { resultsOf, settle } from "../protocol/choreography/decision.ts";
import type { Choreographed, ChoreographedEvent, Publication, Settled, UndoReason } from "../protocol/choreography/decision.ts";
import { ConflictingGid } from "../protocol/errors.ts";
import type { Json } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { messageOf } from "./event.ts";
import type { Results, SagaEvent } from "./event.ts";
import { another } from "./handling.ts";
import { changeRow, lockRow } from "./rows.ts";
import type { SagaRow, Started } from "./rows.ts";

/** The initiator's own work on a saga, in the same commit as what it tells of. */
export interface RawHooks {
  committed(db: SqlExecutor, saga: { readonly gid: string; readonly input: Json; readonly results: Results }): Promise<void>;
  rollingBack?(db: SqlExecutor, saga: { readonly gid: string; readonly input: Json; readonly reason: UndoReason }): Promise<void>;
  rolledBack(db: SqlExecutor, saga: { readonly gid: string; readonly input: Json; readonly reason: UndoReason }): Promise<void>;
}

export interface Side {
  readonly name: string;
  readonly hooks: RawHooks;
  readonly sending: SendOptions | undefined;
}

/** Locks the row. A gid names one promise in a database, so a row of another choreography is a conflict. */
export async function lockOwn(db: SqlExecutor, name: string, gid: string): Promise<SagaRow | undefined> {
  const row = await lockRow(db, gid);
  if (row !== undefined && row.definition !== name) throw new ConflictingGid(gid, "the definition");
  return row;
}

export async function take(db: SqlExecutor, side: Side, gid: string, row: SagaRow, event: ChoreographedEvent): Promise<Choreographed> {
  const settled = settle(row.state, event);
  if (!hasStarted(settled.state) || settled.state === row.state) return settled.state;
  if (!(await changeRow(db, gid, row.state, settled.state))) {
    throw misuse(`The row of ${gid} changed under its lock`, "Begin one transaction, and commit after the call.");
  }
  await publish(db, side, gid, row.input, settled);
  await tell(db, side, gid, row.input, settled);
  return settled.state;
}

export async function publish(db: SqlExecutor, { name, sending }: Side, gid: string, input: Json, { state, publish: publications }: Settled): Promise<void> {
  const results = "steps" in state ? resultsOf(state.steps) : {};
  await send(db, publications.map((publication) => messageOf(name, gid, eventOf(publication, input, results))), sending);
}

async function tell(db: SqlExecutor, { hooks }: Side, gid: string, input: Json, { state, publish: publications, decided }: Settled): Promise<void> {
  if (state.kind === "committed" && decided === "commit") await hooks.committed(another(db), { gid, input, results: resultsOf(state.steps) });
  if (!("reason" in state)) return;
  const saga = { gid, input, reason: state.reason };
  if (decided === "roll-back") await hooks.rollingBack?.(another(db), saga);
  if (publications.some(({ kind }) => kind === "rolled-back")) await hooks.rolledBack(another(db), saga);
}

function eventOf(publication: Publication, input: Json, results: Results): SagaEvent {
  switch (publication.kind) {
    case "started":
      return { kind: "started", input, results: {} };
    case "undo":
      return { kind: "undo", step: publication.step, input, reason: publication.reason };
    case "committed":
      return { kind: "committed", input, results };
    case "rolled-back":
      return { kind: "rolled-back", reason: publication.reason };
  }
}

export function hasStarted(state: Choreographed): state is Started {
  return state.kind !== "unborn" && state.kind !== "never-started";
}
