import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDatabases, type Databases } from "../platform/databases.ts";
import { rowsIn } from "./ledger.ts";
import { openSaleOn } from "./sale.ts";
import { openStage, type Stage } from "./stage.ts";

const SKU = "lamp";
const AT_ONCE = 50;
let databases: Databases;
let stage: Stage;
before(async () => {
  databases = await startDatabases({ servers: "single", endpoint: "direct" });
  stage = await openStage({ mode: "saga", databases, seed: 1 });
  await openSaleOn(stage, SKU, 100);
});
after(async () => {
  await stage?.stop();
  await databases?.stop();
});

const JSON_TYPE = { "content-type": "application/json" };
const ANSWER_CAP_MS = 10_000;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

async function ask({ method, path, body, headers = JSON_TYPE }: Asked): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${stage.platform.origin}${path}`, { method, headers, ...(body === undefined ? {} : { body }), signal: AbortSignal.timeout(ANSWER_CAP_MS) });
  return { status: response.status, text: await response.text() };
}

const purchase = (wish: unknown, path = `/sales/${SKU}/purchases`): Asked => ({ method: "POST", path, body: JSON.stringify(wish) });
const good = { buyer: "ann", quantity: 1, requestId: "r-1" };

/** Every row of every table of ours and of tripact's, in all three databases, but for what moves by itself. */
async function rowsEverywhere(): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const [name, url] of Object.entries(stage.platform.databaseUrls)) {
    const tables = await rowsIn<{ name: string }>(url, "select table_schema || '.' || table_name as name from information_schema.tables where table_schema in ('public', 'tripact') and table_type = 'BASE TABLE'");
    for (const table of tables) counts[`${name}: ${table.name}`] = (await rowsIn<{ rows: number }>(url, `select count(*)::int as rows from ${table.name}`))[0]?.rows ?? 0;
  }
  return counts;
}

const long = "x".repeat(65);
const MALFORMED: Readonly<Record<string, readonly [Asked, number]>> = {
  "no JSON": [{ method: "POST", path: `/sales/${SKU}/purchases`, body: "{buyer" }, 400],
  "an empty body": [{ method: "POST", path: `/sales/${SKU}/purchases`, body: "" }, 400],
  "a list": [purchase([good]), 400],
  "null": [purchase(null), 400],
  "no buyer": [purchase({ quantity: 1, requestId: "m-1" }), 400],
  "no quantity": [purchase({ buyer: "bob", requestId: "m-2" }), 400],
  "no request id": [purchase({ buyer: "bob", quantity: 1 }), 400],
  "an empty buyer": [purchase({ ...good, buyer: "" }), 400],
  "a buyer that is too long": [purchase({ ...good, buyer: long }), 400],
  "a buyer with a line break": [purchase({ ...good, buyer: "an\nn" }), 400],
  "a buyer with a zero byte": [purchase({ ...good, buyer: "an\u0000n" }), 400],
  "a buyer that is a number": [purchase({ ...good, buyer: 7 }), 400],
  "a request id that is too long": [purchase({ ...good, requestId: long }), 400],
  "a request id that is an object": [purchase({ ...good, requestId: {} }), 400],
  "no units": [purchase({ ...good, quantity: 0 }), 400],
  "fewer than no units": [purchase({ ...good, quantity: -1 }), 400],
  "half a unit": [purchase({ ...good, quantity: 0.5 }), 400],
  "too many units": [purchase({ ...good, quantity: 11 }), 400],
  "more units than a number can count": [{ method: "POST", path: `/sales/${SKU}/purchases`, body: '{"buyer":"ann","quantity":1e400,"requestId":"m-3"}' }, 400],
  "units as text": [purchase({ ...good, quantity: "1" }), 400],
  "a field too many": [purchase({ ...good, cents: 1 }), 400],
  "another price by prototype": [{ method: "POST", path: `/sales/${SKU}/purchases`, body: '{"buyer":"ann","quantity":1,"requestId":"m-4","__proto__":{"cents":1}}' }, 400],
  "no JSON by its type": [{ ...purchase(good), headers: { "content-type": "text/plain" } }, 415],
  "a body that is too large": [purchase({ ...good, buyer: "y".repeat(20_000) }), 413],
  "a sale that there is not": [purchase(good, "/sales/nothing/purchases"), 404],
  "a sale that cannot be": [purchase(good, "/sales/%20/purchases"), 400],
  "a path that cannot be read": [purchase(good, "/sales/%zz/purchases"), 400],
  "another method": [{ method: "PUT", path: `/sales/${SKU}/purchases`, body: JSON.stringify(good) }, 404],
  "an order that cannot be": [{ method: "GET", path: "/purchases/1' or '1'='1", headers: {} }, 404],
  "an order that there is not": [{ method: "GET", path: `/purchases/${"0".repeat(32)}`, headers: {} }, 404],
  "states of nothing": [{ method: "POST", path: "/purchases/states", body: '{"orderIds":[]}' }, 400],
  "a cancellation of nothing": [{ method: "POST", path: `/purchases/${"z".repeat(32)}/cancel`, headers: {} }, 404],
  "a sale by nobody": [{ method: "POST", path: "/sales", body: "{}" }, 401],
};

test("every malformed request is answered with a typed 4xx, and nothing is written anywhere", async () => {
  const rows = await rowsEverywhere();
  for (const [what, [asked, status]] of Object.entries(MALFORMED)) {
    const answer = await ask(asked);
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    const refusal = JSON.parse(answer.text) as Record<string, unknown>;
    for (const field of ["kind", "code", "message", "where", "hint"]) assert.equal(typeof refusal[field], "string", `${what} has no ${field}: ${answer.text}`);
  }
  assert.deepEqual(await rowsEverywhere(), rows);
});

test("the same request id fifty times at once: one order, one answer, one row", async () => {
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => ask(purchase(good))));
  assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1, JSON.stringify(answers));
  assert.equal(answers[0]?.status, 202);
  const { orderId } = JSON.parse(answers[0]?.text ?? "") as { orderId: string };
  const orders = await rowsIn<{ order_id: string }>(stage.platform.databaseUrls.orders, "select order_id from orders");
  assert.deepEqual(orders, [{ order_id: orderId }]);
  const allowances = await rowsIn<{ units: number }>(stage.platform.databaseUrls.orders, "select units from allowance where buyer = 'ann'");
  assert.deepEqual(allowances, [{ units: 1 }]);
});
