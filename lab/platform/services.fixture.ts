import { mkdirSync, writeFileSync } from "node:fs";
import { leashedFolder } from "@tripact/testbed";
import { rowsOf } from "./mode-processes.ts";

/**
 * A folder with the fixture under every service's name, where a flash sale would lie; the caller's to remove.
 * @param behaviour of all of them, see the fixture
 */
export function fixtureServices(behaviour = ""): string {
  const folder = leashedFolder("/var/tmp/tripact-services-");
  for (const kind of new Set(rowsOf("outbox").map((row) => row.kind))) {
    mkdirSync(`${folder}/${kind}`);
    writeFileSync(`${folder}/${kind}/main.ts`, `process.env["FIXTURE"] ||= ${JSON.stringify(behaviour)};\nawait import(${JSON.stringify(import.meta.resolve("./service.fixture.ts"))});\n`);
  }
  return folder;
}
