import { after, test } from "node:test";
import { freshDatabase, startSystemPostgres } from "@tripact/testbed";
import type { Store } from "../store.ts";
import { describeStore } from "../conformance.ts";
import type { StoreUnderTest } from "../conformance.ts";
import { migrate, postgresStore } from "./store.ts";

// Both before the first suite: one that is registered after the others have ended finds the servers gone.
const database = await freshDatabase("store");
const oldest = await startSystemPostgres();
after(() => database.drop());
describeStore("Postgres", () => storeAt(database.url));

if ("notRun" in oldest) {
  test("the store on the oldest PostgreSQL that we test", (t) => t.skip(oldest.notRun));
} else {
  after(() => oldest.remove());
  describeStore(`PostgreSQL ${oldest.version}`, () => storeAt(oldest.url()));
}

async function storeAt(url: string): Promise<StoreUnderTest> {
  await migrate(url);
  const opened: Store[] = [];
  const open = async (): Promise<Store> => {
    const store = postgresStore({ url });
    opened.push(store);
    await store.connect();
    return store;
  };
  return {
    store: await open(),
    second: open,
    close: async () => {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
}
