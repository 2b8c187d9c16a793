import assert from "node:assert/strict";
import test, { after } from "node:test";
import { startPostgres } from "@tripact/testbed";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { connect, eventually, insert, LOGICAL, slots, untilOn, watchedRelay } from "./scene.ts";

const server = await startPostgres({ settings: LOGICAL });
const client = await connect(server);
after(async () => {
  await client.end();
  await server.remove();
});
await migrate(server.url());

test("what a stranger inserts wakes a relay that looks once a minute, each commit of it", async () => {
  const watched = await watchedRelay(server.url(), true);
  try {
    await untilOn(watched);
    const expected: string[] = [];
    for (let round = 0; round < 50; round += 1) {
      await insert(client, `${round}`);
      expected.push(`${round}`);
      await eventually(() => watched.delivered.length === expected.length, `message ${round} is delivered`);
    }
    assert.deepEqual(watched.delivered, expected);
    assert.deepEqual(watched.said(), ["on"]);
  } finally {
    await watched.relay.stop();
  }
  assert.deepEqual(await slots(client), []);
});
