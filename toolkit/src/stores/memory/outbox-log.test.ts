import { randomUUID } from "node:crypto";
import { describeOutboxLog } from "../conformance/outbox-log.ts";
import { MemoryDatabase } from "./database.ts";
import { memoryOutboxLog } from "./outbox-log.ts";

describeOutboxLog("memory", async () => {
  const database = new MemoryDatabase();
  return {
    log: memoryOutboxLog(database),
    second: async () => memoryOutboxLog(database),
    send: async (messages) => {
      const rows = messages.map(({ topic, key, payload = "null", headers = "{}" }) => ({ id: randomUUID(), topic, key, payload, headers }));
      database.send(rows);
      return rows.map(({ id }) => id);
    },
    loseSession: async () => database.endSessions(),
    turn: async () => {},
    close: async () => {},
  };
});
