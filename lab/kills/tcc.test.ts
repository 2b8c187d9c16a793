import { killsIn } from "./guarded.ts";

killsIn("tcc");
