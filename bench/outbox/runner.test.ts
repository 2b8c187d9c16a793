import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { freshDatabase } from "@tripact/testbed";
import { takeTurn } from "../turn.ts";
import type { Turn } from "../turn.ts";

const folder = mkdtempSync(join(tmpdir(), "tripact-bench-"));
after(() => rmSync(folder, { recursive: true }));

const at = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

/** The simplest queue that there is: a table, emptied in the transaction of the effects. What its consumer does is `step`. */
function queueThat(name: string, step: string): URL {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `import { runOutboxSystem } from ${at("runner.ts")};
     import { applyEffects, openConnection, preparedOn } from ${at("shop.ts")};
     await runOutboxSystem(import.meta.url, {
       async install(url) {
         const client = await openConnection(url);
         await client.query("create table queue (message json not null)");
         await client.end();
       },
       async openSender() {
         return { async send(db, messages) { await db("insert into queue select json_array_elements($1::json)", [JSON.stringify(messages)]); } };
       },
       async consume({ url }, applied) {
         const db = preparedOn(await openConnection(url));
         const pump = async () => {
           await db("begin", []);
           const messages = (await db("delete from queue returning message", [])).rows.map(({ message }) => message);
           if (messages.length > 0) { ${step} } else await db("commit", []);
           setTimeout(pump, 2);
         };
         void pump();
       },
     });`,
  );
  return pathToFileURL(file);
}

async function turnOf(name: string, step: string, ...args: string[]): Promise<Turn> {
  const database = await freshDatabase("bench_outbox");
  const runner = queueThat(name, step);
  const turn = await takeTurn({ name, about: "", runner, inFlight: [16], args }, { databaseUrl: database.url, measureMs: 400 });
  await database.drop();
  return turn;
}

const honest = `await applyEffects(db, messages); await db("commit", []); applied(messages);`;

function figuresOf({ lines }: Turn): Record<string, number> {
  return Object.fromEntries(lines.flatMap((line) => (line.kind === "figure" ? [[line.name, line.value]] : [])));
}

test("a turn has two processes, and says what was committed and what of it was delivered", async () => {
  const turn = await turnOf("honest", honest, "--case=batched200B");
  assert.equal(turn.failure, undefined);
  const figures = figuresOf(turn);
  assert.ok((figures["deliveredPerSecond"] ?? 0) > 100, JSON.stringify(figures));
  assert.equal(figures["undelivered"], 0);
});

test("a turn at a given rate says how long messages took", async () => {
  const turn = await turnOf("paced", honest, "--case=latency", "--per-second=100");
  assert.equal(turn.failure, undefined);
  const { p50Ms, p95Ms, p99Ms, count } = figuresOf(turn);
  assert.ok(p50Ms !== undefined && p95Ms !== undefined && p99Ms !== undefined && p50Ms > 0 && p50Ms <= p95Ms && p95Ms <= p99Ms);
  assert.ok((count ?? 0) > 10);
});

test("a delivery without its effect fails the turn", async () => {
  const turn = await turnOf("liar", `await db("commit", []); applied(messages);`, "--case=single");
  assert.match(turn.failure ?? "", /0 effects of \d+ deliveries/);
});

test("a consumer that dies takes its turn along", async () => {
  const turn = await turnOf("mortal", `process.exit(3);`, "--case=single");
  assert.match(turn.failure ?? "", /the consumer ended with code 3/);
});
