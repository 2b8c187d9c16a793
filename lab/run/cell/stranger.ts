/**
 * A stranger who looks while the sale goes on at what has just become paid, sold or captured, as a warehouse or a bookkeeper would who acts
 * on it. He reads the databases, not the gateway: by the public door only the order can be seen, not the stock and the money, and asking
 * there would take CPU time of the very processes whose CPU time is measured.
 */
import { machineMs } from "@tripact/testbed";
import type pg from "pg";
import type { DatabaseName } from "../../evidence/snapshot.ts";
import type { SaleDatabases } from "../../platform/databases.ts";
import type { ReadKind } from "../../results/results.ts";
import { Asking, lookAgainAndAgain, type Looking } from "./asking.ts";

const EVERY_MS = 100;
const ASK_CAP_MS = 2_000;
/** More than an hour of them. */
const LOOKS_MAX = 20_000;
const SIGHTINGS_MAX = 500_000;
/** What a look may tell at the most. */
const ROWS_MAX = 1_000;

export interface Sighting {
  readonly kind: ReadKind;
  readonly orderId: string;
  /** By the machine's monotonic clock: the first look that told of it. */
  readonly atMs: number;
}

export interface Stranger extends Looking {
  readonly sightings: readonly Sighting[];
  /** Of one database each, answered and not. */
  readonly looks: number;
  readonly unanswered: number;
}

interface Seen {
  readonly orderId: string;
  readonly kind: ReadKind;
}

/** A commit that waited for its standby becomes visible later than its rows say. */
const RECENT = "clock_timestamp() - interval '5 s'";

/** One statement each, so that the server is disturbed no more than by a small purchase. */
const QUESTIONS: Readonly<Record<DatabaseName, string>> = {
  orders: `select order_id as "orderId", 'orderPaid' as kind from orders where sku = $1 and state = 'paid' and ended_at > ${RECENT} limit ${ROWS_MAX}`,
  // A hold has no time of its own, so it is found by its movement; what is read is the hold as it stands.
  stock: `select distinct h.order_id as "orderId", case h.state when 'sold' then 'unitsSold' else 'unitsHeld' end as kind
            from movement m join hold h on h.order_id = m.reference
           where h.sku = $1 and h.state in ('held', 'sold') and m.at > ${RECENT} and m.id > (select coalesce(max(id), 0) - ${4 * ROWS_MAX} from movement) limit ${ROWS_MAX}`,
  // A payment does not know what was bought; the caller knows which orders are his.
  payment: `select order_id as "orderId", case state when 'captured' then 'paymentCaptured' else 'paymentAuthorised' end as kind
              from payment where $1::text is not null and state in ('authorised', 'captured') and changed_at > ${RECENT} limit ${ROWS_MAX}`,
};

export function lookAsStranger(urls: SaleDatabases["urls"], sku: string): Stranger {
  const databases = (Object.keys(urls) as DatabaseName[]).map((name) => new Asking(name, urls[name], ASK_CAP_MS));
  const sightings: Sighting[] = [];
  const known = new Set<string>();
  let [looks, unanswered] = [0, 0];
  const look = async (database: Asking): Promise<void> => {
    const rows = await database.ask((client) => seenIn(client, database.name, sku));
    if (rows === undefined) unanswered += 1;
    else looks += 1;
    const atMs = machineMs();
    for (const { kind, orderId } of rows ?? []) {
      const name = `${kind} ${orderId}`;
      if (known.has(name) || sightings.length >= SIGHTINGS_MAX) continue;
      known.add(name);
      sightings.push({ kind, orderId, atMs });
    }
  };
  // Each on its own: a database that is silent for two seconds must not blind the look at the others.
  const looking = databases.map((database) => lookAgainAndAgain({ everyMs: EVERY_MS, most: LOOKS_MAX }, () => look(database), () => database.close()));
  return {
    sightings,
    get looks() {
      return looks;
    },
    get unanswered() {
      return unanswered;
    },
    async stop() {
      await Promise.all(looking.map((each) => each.stop()));
    },
  };
}

async function seenIn(client: pg.Client, database: DatabaseName, sku: string): Promise<readonly Seen[]> {
  return (await client.query<Seen>(QUESTIONS[database], [sku])).rows;
}
