import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { FastifyInstance } from "fastify";
import { openProvider } from "./provider.ts";

const CHARGE = { key: "a", buyer: "ada", cents: 300, capture: "later", callbackUrl: "http://127.0.0.1:9/" };
const begun: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of begun.splice(0)) await one.stop();
});

test("the door refuses strangers, nonsense, a used key and charges that are not there, and has done nothing then", async () => {
  const app = open();
  const refused = [
    [await ask(app, "request", CHARGE, "another key"), 401],
    [await ask(app, "request", { ...CHARGE, cents: -1 }), 400],
    [await ask(app, "request", { ...CHARGE, capture: "never" }), 400],
    [await ask(app, "request", { ...CHARGE, callbackUrl: "file:///etc/passwd" }), 400],
    [await ask(app, "request", { key: "a" }), 400],
    [await ask(app, "capture", { key: "nobody's" }), 404],
    [await ask(app, "refund", { key: "nobody's" }), 404],
    [await ask(app, "book", { after: -1 }), 400],
  ] as const;
  for (const [answer, status] of refused) assert.equal(answer.statusCode, status, answer.body);
  assert.deepEqual((await ask(app, "book", { after: 0 })).json(), { charges: [], after: 0 });

  assert.equal((await ask(app, "request", CHARGE)).statusCode, 200);
  const conflict = await ask(app, "request", { ...CHARGE, cents: 301 });
  assert.equal(conflict.statusCode, 409);
  assert.match(conflict.body, /key a is a charge of 300 cents, not of 301/);
  assert.deepEqual((await ask(app, "book", { after: 0 })).json(), { charges: [{ kind: "charge", key: "a", cents: 300, state: "pending" }], after: 1 });
  assert.deepEqual((await ask(app, "lookup", { key: "b" })).json(), { kind: "unknown" });
});

function open(): FastifyInstance {
  const habits = { seed: "7", declined: 0, slow: 0, slowMs: 0, duplicated: 0, late: 0, lateMs: 0, answerMs: 600_000 };
  const provider = openProvider({ habits, key: "key", callbackSecret: "secret", onError: () => assert.fail("no fault of ours") });
  begun.push(provider);
  return provider.app;
}

async function ask(app: FastifyInstance, what: string, payload: object, key = "key") {
  return app.inject({ method: "POST", url: `/charges/${what}`, headers: { authorization: `Bearer ${key}` }, payload });
}
