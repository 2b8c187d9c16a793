/** `npm run lab -- selftest`: are the judges awake? */
import { runView } from "../views/program.ts";
import { selftestView } from "./view.ts";

process.exitCode = await runView(selftestView, process.argv.slice(2));
