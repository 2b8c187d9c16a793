import { rowsOf } from "../../platform/mode-processes.ts";
import { processKilled } from "./process.ts";

/** One of two that carry messages, in modes that have some. */
export const relayKilled = processKilled("relay-killed", (mode) => rowsOf(mode).filter(({ kind }) => kind === "relay").map(({ name }) => name));
