/** A keeper of lists: a participant with a database of its own. Which keys are its own is for the desks to know. */
import { createServer, type RequestListener } from "node:http";
import { Refused, type Json } from "tripact";
import { migrateBarrier, pgTransactions, postgresBarrier, type OpenTransaction, type SqlExecutor } from "tripact/barrier";
import { participantHandler, type ParticipantOp, type ParticipantRoute } from "tripact/http";
import { makeTables, openPool, preparing } from "../../service/database.ts";
import { errorsOf, serve } from "../../service/serve.ts";
import { numberSetting, setting } from "../../service/settings.ts";
import type { Append, OfKey } from "../contracts.ts";
import { append, dropAside, read, remove, setAside, showAside, type Appended } from "./ledger.ts";

const ELEMENTS_MAX = 1_000_000;
const REQUEST_TIMEOUT_MS = 10_000;

const keeper = process.env["KEEPER"] ?? "keeper";

await serve(keeper, async () => {
  const onError = errorsOf(keeper);
  const secret = setting("TOKEN");
  const elementsMax = numberSetting("ELEMENTS_MAX", ELEMENTS_MAX, { min: 1, max: ELEMENTS_MAX });
  const port = numberSetting("PORT", 0, { max: 65_535 });
  const pool = openPool(setting("DATABASE_URL"), keeper);
  await makeTables(pool, new URL("schema.sql", import.meta.url));
  await pgTransactions(pool)(migrateBarrier);
  const handler = participantHandler({ secrets: [secret], routes: routesOf(preparing(pool), elementsMax), onError });
  return { server: createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, answering(handler)), port, stop: () => pool.end() };
});

function routesOf(open: OpenTransaction, elementsMax: number): Readonly<Record<string, ParticipantRoute>> {
  const barrier = postgresBarrier();
  // Whoever signed the call is a desk, so its payload is what the contract says.
  const behind = <In>(body: (db: SqlExecutor, payload: In) => Promise<Json | undefined>): ParticipantOp => (call) => barrier.transact(open, call, (db) => body(db, call.payload as In));
  const silently = <In>(body: (db: SqlExecutor, payload: In) => Promise<void>): ParticipantOp => behind<In>(async (db, payload) => {
    await body(db, payload);
    return undefined;
  });
  const unlessFull = async (appended: Promise<Appended>): Promise<void> => {
    if ((await appended) === "full") throw new Refused("full");
  };
  const forget: ParticipantOp = (call) => open((db) => barrier.forget(db, (call.payload as { readonly gids: readonly string[] }).gids));
  return {
    // Behind the barrier too: what was read the first time is what the transaction has read.
    "/lists/read": { action: behind<OfKey>(read), compensate: silently<OfKey>(async () => undefined), forget },
    "/lists/append": { action: silently<Append>((db, asked) => unlessFull(append(db, asked, elementsMax))), compensate: silently<Append>(remove), forget },
    "/lists/aside": { try: silently<Append>((db, asked) => unlessFull(setAside(db, asked, elementsMax))), confirm: silently<Append>(showAside), cancel: silently<Append>(dropAside), forget },
  };
}

function answering(participants: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url !== "/health") return participants(request, response);
    response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
  };
}
