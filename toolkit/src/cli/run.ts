import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { plain } from "../admin/wording.ts";
import { textOf } from "../protocol/errors.ts";
import { Args, EXIT, EXIT_MEANS, exitOf, usageError, type Command, type ExitCode, type Io } from "./command.ts";

interface Entry {
  readonly summary: string;
  /** Loaded when it is asked for: the server need not be read to show a help text. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

const commands: Readonly<Record<string, Entry>> = {
  migrate: { summary: "create or bring up to date the tables", load: () => import("./commands/migrate.ts") },
  list: { summary: "what is open, parked, late, unclaimed or ended", load: () => import("./commands/list.ts") },
  show: { summary: "everything that happened to one transaction", load: () => import("./commands/show.ts") },
  outcome: { summary: "how one transaction stands, in a line", load: () => import("./commands/outcome.ts") },
  decide: { summary: "a person's decision on a parked branch or transaction", load: () => import("./commands/decide.ts") },
  cancel: { summary: "ask for roll back, and say who won", load: () => import("./commands/cancel.ts") },
  prune: { summary: "delete what retention no longer asks for", load: () => import("./commands/prune.ts") },
  serve: { summary: "run a coordinator that takes plans over HTTP", load: () => import("./commands/serve.ts") },
  relay: { summary: "deliver an outbox to an HTTP endpoint, as signed CloudEvents", load: () => import("./commands/relay.ts") },
  "outbox status": { summary: "how far each subscription is behind, and who delivers it", load: () => import("./commands/outbox/status.ts") },
  "outbox list": { summary: "messages that failed, and those that wait behind them", load: () => import("./commands/outbox/list.ts") },
  "outbox show": { summary: "one message, and where it stands with each subscription", load: () => import("./commands/outbox/show.ts") },
  "outbox requeue": { summary: "try failed messages again, from the first attempt", load: () => import("./commands/outbox/requeue.ts") },
  "outbox discard": { summary: "never deliver these messages; their keys go on", load: () => import("./commands/outbox/discard.ts") },
};

const MESSAGE_MAX = 1_000;

/** One command line, without the program's own name, to an exit code. Never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  // `tripact help show` is `tripact show --help`.
  const [name, ...rest] = named(argv[0] === "help" && argv[1] !== undefined ? [...argv.slice(1), "--help"] : argv);
  if (name === "--help" || name === "-h" || name === "help") return say(io, help());
  if (name === "--version" || name === "-v") return say(io, `${version()}\n`);
  if (name === undefined) {
    io.err(help());
    return EXIT.usage;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const group = Object.keys(commands).filter((it) => it.startsWith(`${name} `));
  if (group.length > 0 && (rest[0] === "--help" || rest[0] === "-h")) return say(io, `usage:\n${linesOf(group)}\n`);
  try {
    if (group.length > 0) throw usageError(`say ${rest[0] === undefined ? "which" : `what instead of ${rest[0]}`}: ${group.join(", ")}`);
    if (entry === undefined && name.startsWith("-")) throw usageError(`options come after the command: tripact <command> ${name} ...`);
    if (entry === undefined) throw usageError(`there is no command ${name}; there are ${Object.keys(commands).join(", ")}`);
    const { command } = await entry.load();
    const args = argsOf(command, rest);
    if (args.flag("help")) return say(io, helpOf(name, entry, command));
    demandPositionals(name, command, args);
    return await command.run(args, io);
  } catch (error) {
    const exit = exitOf(error);
    const program = entry === undefined ? "tripact" : `tripact ${name}`;
    io.err(`${program}: ${plain(textOf(error), MESSAGE_MAX)}${exit === EXIT.usage ? ` (see ${program} --help)` : ""}\n`);
    return exit;
  }
}

/** A command of two words counts as one: `outbox list`. */
function named(argv: readonly string[]): readonly string[] {
  const [first, second, ...rest] = argv;
  return first !== undefined && second !== undefined && Object.hasOwn(commands, `${first} ${second}`) ? [`${first} ${second}`, ...rest] : argv;
}

function linesOf(names: readonly string[]): string {
  const width = Math.max(...names.map((name) => name.length));
  return names.map((name) => `  ${name.padEnd(width)}  ${commands[name]?.summary ?? ""}`).join("\n");
}

function help(): string {
  const codes = Object.entries(EXIT_MEANS).map(([code, means]) => `  ${code}  ${means}`);
  return `tripact: sagas, TCC and the outbox on the databases that you already run

usage: tripact <command> [options]

${linesOf(Object.keys(commands))}

tripact <command> --help says more; tripact --version says which this is.

exit codes:
${codes.join("\n")}
`;
}

function helpOf(name: string, { summary }: Entry, { usage, details }: Command): string {
  return `tripact ${name}: ${summary}\n\nusage: tripact ${name} ${usage}\n\n${details}\n`;
}

function argsOf(command: Command, argv: readonly string[]): Args {
  const options = { ...command.options, help: { type: "boolean" as const, short: "h" } };
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return new Args(positionals, values);
  } catch (error) {
    throw usageError(wordsOfMisuse(textOf(error), Object.keys(options)));
  }
}

/** What `parseArgs` says, without its advice on dashes, and with what it leaves out. */
function wordsOfMisuse(text: string, options: readonly string[]): string {
  const valueless = /^Option '(--[\w-]+)[^]* is ambiguous/.exec(text)?.[1];
  if (valueless !== undefined) return `${valueless} has no value; one that begins with a dash is written ${valueless}=-...`;
  const sentence = text.split(/\. |\n/)[0] ?? "";
  return sentence.startsWith("Unknown option") ? `${sentence}; there are ${options.map((name) => `--${name}`).join(", ")}` : sentence;
}

function demandPositionals(name: string, { usage, positionals }: Command, args: Args): void {
  const count = args.positionals.length;
  if (count < positionals.min) throw usageError(`something is missing: tripact ${name} ${usage}`);
  if (count > positionals.max) throw usageError(`${args.positionals[positionals.max] ?? ""} is too much: tripact ${name} ${usage}`);
}

function say(io: Io, text: string): ExitCode {
  io.out(text);
  return EXIT.ok;
}

function version(): string {
  // Beside src and dist alike.
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
}
