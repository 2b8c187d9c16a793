import { untilOn, watchedRelay } from "./scene.ts";

/** A relay to be killed: `node relay-process.ts <url>`. */
const watched = await watchedRelay(process.argv[2] ?? "", true);
await untilOn(watched);
setInterval(() => {}, 60_000);
