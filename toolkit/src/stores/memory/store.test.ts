import { describeStore } from "../conformance.ts";
import { MemoryDatabase } from "./database.ts";
import { memoryStore } from "./store.ts";

describeStore("memory", () => {
  const database = new MemoryDatabase();
  return Promise.resolve({ store: memoryStore(database), second: () => Promise.resolve(memoryStore(database)), close: () => Promise.resolve() });
});
