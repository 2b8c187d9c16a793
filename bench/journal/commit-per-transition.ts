import { postgresStore } from "tripact/postgres";
import type { Store } from "tripact";

/** As many as a default Postgres takes beside the coordinator's own. */
const WRITERS = 20;

/**
 * The journal without group commit, and without a handicap: each transition is a commit of its own, and as many of them run side by side
 * as there are connections. With the runtime's `batchMax: 1` and `flushesMax: WRITERS`.
 */
export function commitPerTransition(url: string): { readonly store: Store; readonly tuning: { readonly batchMax: number; readonly flushesMax: number } } {
  const first = postgresStore({ url });
  const writers = Array.from({ length: WRITERS }, () => postgresStore({ url }));
  const free = [...writers];
  const waiting: ((writer: Store) => void)[] = [];
  const take = (): Promise<Store> => {
    const writer = free.pop();
    return writer === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(writer);
  };
  const give = (writer: Store): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(writer);
    else next(writer);
  };
  const { journal } = first;
  const store: Store = {
    features: first.features,
    membership: first.membership,
    health: () => first.health(),
    connect: async () => {
      await first.connect();
      await Promise.all(writers.map((writer) => writer.connect()));
    },
    close: async () => {
      await Promise.all([first, ...writers].map((it) => it.close()));
    },
    journal: {
      read: (gids) => journal.read(gids),
      claim: (claim) => journal.claim(claim),
      release: (owner, gids) => journal.release(owner, gids),
      post: (gid, body) => journal.post(gid, body),
      mail: (owner, limit) => journal.mail(owner, limit),
      list: (query) => journal.list(query),
      counts: () => journal.counts(),
      prune: (retention) => journal.prune(retention),
      write: async (batch) => {
        const writer = await take();
        try {
          return await writer.journal.write(batch);
        } finally {
          give(writer);
        }
      },
    },
  };
  return { store, tuning: { batchMax: 1, flushesMax: WRITERS } };
}
