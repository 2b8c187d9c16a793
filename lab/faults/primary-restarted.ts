import { primaryKilled } from "./primary-killed.ts";
import type { Fault } from "./fault.ts";

/** Killed likewise, and nobody else takes over: it comes back with what its own disk holds. */
export const primaryRestarted: Fault = {
  ...primaryKilled,
  name: "primary-restarted",
  mechanism: "SIGKILL of the postmaster and every backend; the same server is started again",
  database: "restart",
  spendsStandby: false,
};
