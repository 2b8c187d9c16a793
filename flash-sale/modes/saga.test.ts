import { modeConformance } from "./conformance.ts";
import { saga } from "./saga.ts";

modeConformance(saga);
