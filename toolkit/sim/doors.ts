export { createTripact, plan, saga, type BranchContext, type Plan, type Saga, type Tripact, type TransactionOutcome } from "../src/index.ts";
export type { Runnable } from "../src/runtime/driver.ts";
