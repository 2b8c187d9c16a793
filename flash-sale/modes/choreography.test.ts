import { modeConformance } from "./conformance.ts";
import { choreography } from "./choreography.ts";

modeConformance(choreography);
