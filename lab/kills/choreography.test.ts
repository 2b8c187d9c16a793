import { killsIn } from "./guarded.ts";

killsIn("choreography");
