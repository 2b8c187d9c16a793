import { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import type { Store } from "../store.ts";
import { describeStore } from "../conformance.ts";
import { migrate, postgresStore } from "./store.ts";

const database = await freshDatabase("store");
after(() => database.drop());
await migrate(database.url);

describeStore("Postgres", async () => {
  const opened: Store[] = [];
  const open = async (): Promise<Store> => {
    const store = postgresStore({ url: database.url });
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
});
