import assert from "node:assert/strict";
import test from "node:test";
import { freePort } from "./free-port.ts";

test("a port that was handed out is not handed out again, although nobody listens on it yet", async () => {
  const ports = await Promise.all(Array.from({ length: 1_000 }, () => freePort()));
  assert.equal(new Set(ports).size, ports.length);
  assert.deepEqual(ports.filter((port) => port < 20_000 || port >= 32_768), []);
});
