/** A participant's op: its own transaction, behind the barrier, so that whatever comes twice, late or in the wrong order counts once. */
import { postgresBarrier, type Effect, type OpenTransaction, type SqlExecutor } from "tripact/barrier";
import { participantHandler, type ParticipantOp, type ParticipantRoute } from "tripact/http";
import type { RequestListener } from "node:http";
import type { ServiceSide } from "../mode.ts";

const barrier = postgresBarrier();

/** Both sides of the wire are ours: the payload is what the definition gave, and its signature says so. */
export function behind<In>(open: OpenTransaction, body: (db: SqlExecutor, payload: In) => Promise<void>): ParticipantOp {
  return (call) => barrier.transact(open, call, async (db) => body(db, call.payload as In));
}

/** The same where the usual course is one statement: `effect`. What is not usual is left to `body`. */
export function behindInOne<In>({ db, open }: Pick<ServiceSide, "db" | "open">, effect: (payload: In) => Effect, body: (db: SqlExecutor, payload: In) => Promise<void>): ParticipantOp {
  return (call) => barrier.inOne(db, open, call, effect(call.payload as In), (opened) => body(opened, call.payload as In));
}

/** Participants at their paths. Now and then the coordinator tells what has ended for good: their barrier rows may go. */
export function participantsAt({ open, secret, onError }: ServiceSide, routes: Readonly<Record<string, ParticipantRoute>>): RequestListener {
  const forget: ParticipantOp = (call) => {
    const { gids } = call.payload as { readonly gids: readonly string[] };
    return open((db) => barrier.forget(db, gids));
  };
  const withForget = Object.fromEntries(Object.entries(routes).map(([path, route]) => [path, { ...route, forget }]));
  return participantHandler({ secrets: [secret], routes: withForget, onError });
}
