/** A desk: the clients' door, with a coordinator behind it. Any number of them share one journal. */
import { createTripact } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";
import { openDoor, serverOf } from "../../service/door.ts";
import { errorsOf, serve } from "../../service/serve.ts";
import { choiceSetting, durabilitySetting, numberSetting, setting, urlsSetting } from "../../service/settings.ts";
import { MODES, type Desk, type Ended, type Transaction } from "../contracts.ts";
import { appendingAt } from "./append.ts";

/** Undecided by then, it is rolled back. */
const DEADLINE_MS = 5_000;
/** A keeper that is restarted takes a second or two; the deadline is the limit that counts. */
const ATTEMPTS = 30;
const WAIT_FOR_STORE_MS = 30_000;
const TXN_MAX = 16;

const integer = { type: "integer", minimum: 0, maximum: 2 ** 31 - 1 } as const;
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["id", "txn"],
  properties: {
    id: { type: "string", minLength: 1, maxLength: 100 },
    txn: {
      type: "array",
      minItems: 1,
      maxItems: TXN_MAX,
      items: {
        oneOf: [
          { type: "array", items: [{ const: "append" }, integer, integer], minItems: 3, maxItems: 3 },
          { type: "array", items: [{ const: "r" }, integer], minItems: 2, maxItems: 2 },
        ],
      },
    },
  },
} as const;

const desk = process.env["DESK"] ?? "desk";

await serve(desk, async () => {
  const databaseUrl = setting("DATABASE_URL");
  const token = setting("TOKEN");
  const port = numberSetting("PORT", 0, { max: 65_535 });
  const { definition, participants } = appendingAt(urlsSetting("KEEPER_URLS"), choiceSetting("MODE", MODES), token);
  await migrate(databaseUrl);
  const store = postgresStore({ url: databaseUrl, durability: durabilitySetting(), applicationName: desk });
  const tripact = await createTripact({ store, definitions: [definition], participants: [...participants], nodeName: desk, retry: { maxAttempts: ATTEMPTS }, waitForStoreMs: WAIT_FOR_STORE_MS });
  const run = async (transaction: Transaction): Promise<Ended> => {
    const end = await tripact.run(definition, transaction, { gid: transaction.id, deadlineMs: DEADLINE_MS });
    if (end.kind === "committed") return { outcome: "ok", txn: end.result };
    if (end.kind === "rolled-back") return { outcome: "fail", code: end.reason.kind };
    // Nobody may take this for a yes or a no: it is answered 500.
    throw new Error(`${transaction.id} is ${end.kind}`);
  };
  const app = openDoor<Desk>({ "/append": { schema: SCHEMA, answer: run } }, { token, onError: errorsOf(desk) });
  await app.ready();
  return {
    server: serverOf(app, {}),
    port,
    stop: async () => {
      await tripact.stop();
      await app.close();
    },
  };
});
