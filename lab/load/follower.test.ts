import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import test from "node:test";
import { Follower } from "./follower.ts";

test("an order that was not final at first is asked after again, although a new one comes with every question", async (t) => {
  const asked = new Map<string, number>();
  const finals: string[] = [];
  let questions = 0;
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      questions += 1;
      const states: Record<string, string> = {};
      for (const id of (body as { orderIds: string[] }).orderIds) {
        asked.set(id, (asked.get(id) ?? 0) + 1);
        states[id] = (asked.get(id) ?? 0) > 1 ? "paid" : "placed";
      }
      follower.follow({ orderId: `order-${questions}`, phase: 1, s: 0 });
      response.end(JSON.stringify({ states }));
      if (questions === 20) resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const follower = new Follower({ target, ownAddresses: false, timeoutMs: 2_000, onFinal: ({ orderId }) => finals.push(orderId) });
  t.after(async () => {
    await follower.close();
    server.closeAllConnections();
    server.close();
  });
  follower.follow({ orderId: "order-0", phase: 1, s: 0 });
  await enough;
  // In which order is no promise: a question that is late is overtaken by the next.
  const old = Array.from({ length: 10 }, (_, order) => `order-${order}`);
  assert.deepEqual(old.filter((order) => !finals.includes(order)), []);
  assert.ok([...asked.values()].every((times) => times <= 5), "what is final is asked after no more");
});

test("more orders than fit into one question are asked after in turn, and none is left out", async (t) => {
  const asked = new Map<string, number>();
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  let questions = 0;
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      questions += 1;
      for (const id of (body as { orderIds: string[] }).orderIds) asked.set(id, (asked.get(id) ?? 0) + 1);
      response.end(JSON.stringify({ states: {} }));
      if (questions === 12) resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const follower = new Follower({ target, ownAddresses: false, timeoutMs: 2_000, onFinal: () => undefined });
  t.after(async () => {
    await follower.close();
    server.closeAllConnections();
    server.close();
  });
  for (let order = 0; order < 1_300; order += 1) follower.follow({ orderId: `order-${order}`, phase: 1, s: 0 });
  await enough;
  assert.equal(asked.size, 1_300);
  const times = [...asked.values()];
  assert.ok(Math.max(...times) - Math.min(...times) <= 2, `between ${Math.min(...times)} and ${Math.max(...times)} times`);
});
