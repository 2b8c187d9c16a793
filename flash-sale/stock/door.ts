/** What the stock answers to gateways and workers. Units for orders are not asked for here: that is the mode's part. */
import { randomUUID } from "node:crypto";
import type { SqlExecutor } from "tripact/barrier";
import type { StockDoor } from "../contracts.ts";
import type { Answers } from "../service/door.ts";
import { end, lease, renew } from "./chunks.ts";
import { LedgerError, levels, openItem } from "./ledger.ts";

/** The ledger's no to a question: an answer, not a failure. */
class NotPossible extends Error {
  readonly statusCode = 409;
}

const NAME = { type: "string", minLength: 1, maxLength: 200 };
/** What an `integer` of the database holds. */
const UNITS_MAX = 2_147_483_647;
const CHUNKS = { type: "array", items: NAME, maxItems: 1_000 };

const asks = (properties: Readonly<Record<string, object>>): object => ({ type: "object", additionalProperties: false, required: Object.keys(properties), properties });

/** @param db each statement commits by itself. */
export function stockAnswers(db: SqlExecutor, { leaseMs }: { readonly leaseMs: number }): Answers<StockDoor> {
  return {
    "/stock/open-item": {
      schema: asks({ sku: NAME, units: { type: "integer", minimum: 0, maximum: UNITS_MAX } }),
      async answer({ sku, units }) {
        await openItem(db, sku, units).catch((error: unknown) => {
          throw error instanceof LedgerError ? new NotPossible(error.message, { cause: error }) : error;
        });
        return { kind: "open" };
      },
    },
    "/stock/levels": {
      schema: asks({ sku: NAME }),
      async answer({ sku }) {
        const found = await levels(db, sku);
        return found === undefined ? { kind: "unknown" } : { kind: "found", levels: found };
      },
    },
    "/stock/lease-chunk": {
      schema: asks({ gateway: NAME, sku: NAME, units: { type: "integer", minimum: 1, maximum: UNITS_MAX } }),
      async answer({ gateway, sku, units }) {
        // An answer that gets lost leaves a chunk that nobody renews: its units come home by themselves.
        const chunk = randomUUID();
        const leased = await lease(db, { chunk, gateway, sku, units });
        return leased === 0 ? { kind: "none" } : { kind: "leased", chunk, units: leased, leaseMs };
      },
    },
    "/stock/renew-chunks": {
      schema: asks({ gateway: NAME, chunks: CHUNKS }),
      answer: async ({ gateway, chunks }) => ({ open: await renew(db, gateway, chunks) }),
    },
    "/stock/end-chunks": {
      schema: asks({ chunks: CHUNKS }),
      async answer({ chunks }) {
        await end(db, chunks);
        return { kind: "ending" };
      },
    },
  };
}
