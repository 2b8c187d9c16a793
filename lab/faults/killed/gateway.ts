import { processKilled } from "./process.ts";

/** The only door, with the units that it had leased. */
export const gatewayKilled = processKilled("gateway-killed", () => ["gateway-1"], { dependency: "victim" });
