import { killsIn } from "./guarded.ts";

killsIn("outbox");
