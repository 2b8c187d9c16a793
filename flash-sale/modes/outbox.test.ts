import { modeConformance } from "./conformance.ts";
import { outbox } from "./outbox.ts";

modeConformance(outbox);
