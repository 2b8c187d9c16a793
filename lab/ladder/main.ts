/** `npm run lab -- ladder`. */
import { runView } from "../views/program.ts";
import { ladderView } from "./view.ts";

process.exitCode = await runView(ladderView, process.argv.slice(2));
