/** `npm run lab -- wal`. */
import { runView } from "../views/program.ts";
import { walView } from "./view.ts";

process.exitCode = await runView(walView, process.argv.slice(2));
