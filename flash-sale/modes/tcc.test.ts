import { modeConformance } from "./conformance.ts";
import { tcc } from "./tcc.ts";

modeConformance(tcc);
