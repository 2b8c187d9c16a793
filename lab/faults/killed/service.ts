import { processKilled } from "./process.ts";

/** A participant of which there is but one. */
export const serviceKilled = processKilled("service-killed", () => ["stock", "payment"], { dependency: "victim" });
