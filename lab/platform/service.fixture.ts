/**
 * Stands in for every service in the platform's tests: prints `ready`, answers on its port, obeys signals. Its environment makes it
 * misbehave: `FIXTURE` is `ends` (before it is ready), `hangs` (never is), or `deaf` (to SIGTERM). `CALLS` names a port to be connected to.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { connect } from "node:net";
import { json } from "node:stream/consumers";
import { Client } from "pg";

const behaviour = process.env["FIXTURE"];
const name = process.env["WORKER"] ?? process.env["GATEWAY"] ?? "service";
console.error(`${name} starts on ${process.env["PORT"]}`);
if (behaviour === "ends") {
  console.error("DATABASE_URL is not set");
  process.exit(3);
}

const TABLES: Readonly<Record<string, string>> = {
  orders: "orders (sku text, state text, quantity integer, ended_at timestamptz)",
  stock: "chunk (gateway text, state text, opened_at timestamptz)",
  payment: "payment (errand text, state text)",
};
const databaseUrl = process.env["DATABASE_URL"];
if (databaseUrl !== undefined) {
  // As much of a service's tables as is needed to see that nothing is on its way.
  const table = TABLES[new URL(databaseUrl).pathname.slice(1).replace(/_.*/, "")];
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`begin; select pg_advisory_xact_lock(1); create table if not exists ${table}; commit`);
  await client.end();
}

const server = createServer((request, response) => {
  const known = `${request.method} ${request.url}`;
  const bearer = request.headers.authorization;
  response.setHeader("content-type", "application/json");
  if (known === "GET /health") response.end(JSON.stringify({ ok: true, settings: process.env }));
  else if (known === "POST /sales" && bearer !== `Bearer ${process.env["ADMIN_TOKEN"]}`) response.writeHead(401).end("{}");
  else if (known === "POST /sales") response.end(JSON.stringify({ kind: "open" }));
  else if (/^POST \/sales\/[^/]+\/purchases$/.test(known)) response.writeHead(202).end(JSON.stringify({ kind: "accepted", orderId: randomUUID() }));
  else if (known === "POST /purchases/states") void json(request).then((asked) => response.end(JSON.stringify({ states: Object.fromEntries((asked as { orderIds: string[] }).orderIds.map((id) => [id, "paid"])) })));
  else response.writeHead(404).end(JSON.stringify({ kind: "invalid" }));
});
server.listen(Number(process.env["PORT"]), "127.0.0.1", () => {
  if (behaviour !== "hangs") console.log(`ready ${name}`);
});
if (process.env["CALLS"] !== undefined) connect(Number(process.env["CALLS"]), "127.0.0.1").on("error", () => undefined);
process.on("SIGTERM", () => {
  if (behaviour !== "deaf") process.exit(0);
});
