/** `npm run lab -- profile`. */
import { runView } from "../views/program.ts";
import { profileView } from "./view.ts";

process.exitCode = await runView(profileView, process.argv.slice(2));
