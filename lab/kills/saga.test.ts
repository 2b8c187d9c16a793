import { killsIn } from "./guarded.ts";

killsIn("saga");
