import { processKilled } from "./process.ts";

/** The process that drives purchases; another one lives. Its death is the toolkit's to answer for, so no outage is taken off. */
export const coordinatorKilled = processKilled("coordinator-killed", () => ["orders-1", "orders-2"]);
