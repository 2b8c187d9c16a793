import type { RequestListener } from "node:http";
import { postgresBarrier, type Barrier, type OpenTransaction } from "tripact/barrier";
import { participantHandler, type ParticipantOp, type ParticipantRoute } from "tripact/http";
import { setting } from "./serve.ts";

/** A service's side of the sagas: its ops at a path, behind a barrier. */
export function participantAt(path: string, ops: (open: OpenTransaction, barrier: Barrier) => ParticipantRoute): (open: OpenTransaction) => RequestListener {
  return (open) => {
    const barrier = postgresBarrier();
    // Now and then the coordinator tells which transactions have ended. Their rows may go two days later: `barrier.prune`, in a nightly job.
    const forget: ParticipantOp = (call) => {
      const { gids } = call.payload as { readonly gids: readonly string[] };
      return open((db) => barrier.forget(db, gids));
    };
    return participantHandler({
      secrets: [setting("SECRET")],
      routes: { [path]: { ...ops(open, barrier), forget } },
      onError: (error) => console.error(error),
    });
  };
}
