import { modeConformance } from "./conformance.ts";
import { naive } from "./naive.ts";

modeConformance(naive);
