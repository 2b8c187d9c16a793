/** The receiving end of a service: signed events in, those of one delivery in one transaction, with the inbox's row beside its effect. */
import type { RequestListener } from "node:http";
import { Refused, TripactError } from "tripact";
import { postgresInbox, type SqlExecutor } from "tripact/barrier";
import { consume, eventHandler, type Envelope } from "tripact/events";
import { inTurn } from "../../service/in-turn.ts";
import type { ServiceSide } from "../mode.ts";
import { notUnderstood } from "./conversation.ts";

export const EVENTS = "/events";

/** What a service does about one event, in a transaction that commits if it returns. Thrown `Refused`: never; anything else: it comes again. */
export type Hears = (db: SqlExecutor, event: Envelope) => Promise<void>;

const inbox = postgresInbox();

export function receiving({ open, secret, onError }: ServiceSide, consumer: string, hears: Hears): Readonly<Record<string, RequestListener>> {
  const receive = consume(inTurn(open), inbox, consumer, refusingNonsense(hears));
  return { [EVENTS]: eventHandler({ secrets: [secret], receive, onError: (error, event) => onError(event === undefined ? error : new Error(`${event.topic} of ${event.key}`, { cause: error })) }) };
}

/** What tripact itself cannot read as an event of a choreography is poison as well, and so is news of a saga that its own database has lost. */
export function refusingNonsense(hears: Hears): Hears {
  return async (db, event) => {
    try {
      await hears(db, event);
    } catch (error) {
      if (!(error instanceof TripactError)) throw error;
      if (error.code === "invalid-input" || error.code === "invalid-gid") throw notUnderstood(event);
      throw error.code === "unknown-transaction" ? new Refused("unknown-order") : error;
    }
  };
}
