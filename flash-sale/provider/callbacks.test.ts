import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, test } from "node:test";
import { Callbacks } from "./callbacks.ts";
import { isSigned } from "./signature.ts";

const begun: { stop(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of begun.splice(0).reverse()) await one.stop();
});

test("a callback is posted until somebody takes it, signed each time, and a streak of failures is told once", async () => {
  const bodies: string[] = [];
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  const { url } = await receiver((body, signed) => {
    assert.ok(signed);
    bodies.push(body);
    if (bodies.length < 4) return bodies.length === 1 ? 500 : 401;
    resolve();
    return 204;
  });
  const { callbacks, errors } = posting();
  callbacks.send({ url, body: { key: "a", state: "captured" } }, 0);
  await taken;
  assert.deepEqual(bodies, Array.from({ length: 4 }, () => '{"key":"a","state":"captured"}'));
  assert.equal(errors.length, 1);
});

test("a receiver that is away is waited for, and one that hangs is given up on in time", async () => {
  let calls = 0;
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  const { url, server, port } = await receiver(() => {
    calls += 1;
    if (calls === 1) return undefined;
    resolve();
    return 200;
  });
  const { callbacks, errors } = posting();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  callbacks.send({ url, body: { key: "a", state: "captured" } }, 0);
  while (errors.length === 0) await new Promise(setImmediate);
  server.listen(port, "127.0.0.1");
  await taken;
  assert.equal(calls, 2);
});

test("beyond the bound a callback is dropped, and told", async () => {
  const { callbacks, errors } = posting({ queueMax: 2 });
  for (const key of ["a", "b", "c"]) callbacks.send({ url: "http://127.0.0.1:9/", body: { key, state: "captured" } }, 600_000);
  assert.equal(callbacks.open, 2);
  assert.match(String(errors[0]), /the one for c is dropped/);
});

test("a stop ends what waits and what is posted, twice too, and nothing is sent afterwards", async () => {
  let calls = 0;
  const { promise: called, resolve } = Promise.withResolvers<void>();
  const { url } = await receiver(() => {
    calls += 1;
    resolve();
    return undefined;
  });
  const { callbacks, errors } = posting({ timeoutMs: 60_000 });
  callbacks.send({ url, body: { key: "a", state: "captured" } }, 0);
  callbacks.send({ url, body: { key: "b", state: "captured" } }, 600_000);
  await called;
  await callbacks.stop();
  await callbacks.stop();
  callbacks.send({ url, body: { key: "c", state: "captured" } }, 0);
  assert.deepEqual({ calls, errors }, { calls: 1, errors: [] });
});

test("a receiver may be far away: no callback waits for another's answer", async () => {
  let calls = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const { url } = await receiver(() => {
    calls += 1;
    if (calls === 40) resolve();
    return undefined;
  });
  const { callbacks, errors } = posting({ timeoutMs: 60_000 });
  for (let n = 0; n < 40; n += 1) callbacks.send({ url, body: { key: `far-${n}`, state: "captured" } }, 0);
  await all;
  await callbacks.stop();
  assert.deepEqual({ calls, errors }, { calls: 40, errors: [] });
});

function posting(more: { readonly queueMax?: number; readonly timeoutMs?: number } = {}): { readonly callbacks: Callbacks; readonly errors: unknown[] } {
  const errors: unknown[] = [];
  const callbacks = new Callbacks({ secret: "secret", onError: (error) => errors.push(error), baseMs: 5, capMs: 20, timeoutMs: 200, ...more });
  begun.push(callbacks);
  return { callbacks, errors };
}

/** `judge` answers with a status, or undefined and leaves the caller hanging. */
async function receiver(judge: (body: string, signed: boolean) => number | undefined): Promise<{ readonly url: string; readonly server: Server; readonly port: number }> {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const status = judge(body, isSigned("secret", body, request.headers, Date.now()));
      if (status !== undefined) response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  begun.push({
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/callbacks/provider`, server, port };
}
