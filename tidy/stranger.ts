import { spawnSync } from "node:child_process";
import type { SpawnSyncReturns } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Exact, so that a new release cannot turn an old commit red. */
const versions = {
  "node-oldest": "npm:node@22.23.3",
  "typescript-oldest": "npm:typescript@5.9.3",
  "@types/node": "22.15.3",
};
export const driver = { name: "pg", version: "8.23.1" };

/** A user's own project on a machine that has never seen this repository: an empty folder and what npm puts there. */
export type Stranger = {
  readonly folder: string;
  readonly install: (...packages: readonly string[]) => void;
  readonly write: (file: string, text: string) => void;
  /** Runs a program of this folder. Throws, with all that it printed, unless it ends with 0; returns its stdout. */
  readonly run: (program: string, args: readonly string[], env?: Record<string, string>) => string;
  readonly remove: () => void;
};

export function openStranger(): Stranger {
  const folder = mkdtempSync(join(tmpdir(), "tripact-stranger-"));
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  // npm 12 runs install scripts only of packages that are named here; `node` unpacks its binary in one.
  const allowScripts = { node: true, "node-oldest": true };
  write("package.json", JSON.stringify({ name: "stranger", private: true, type: "module", allowScripts }));
  const run: Stranger["run"] = (program, args, env = {}) => runIn(folder, program, args, env);
  const install: Stranger["install"] = (...packages) => void npm(folder, "install", "--no-audit", "--no-fund", ...packages);
  return { folder, install, write, run, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Node, TypeScript and types of the oldest supported line, as arguments for `install`. */
export const oldestTools: readonly string[] = Object.entries(versions).map(([name, version]) => `${name}@${version}`);

/** Runs npm in `folder`; returns its stdout. Throws, with all that it printed, unless it ends with 0. */
export function npm(folder: string, ...args: readonly string[]): string {
  const ownPath = process.env["npm_execpath"];
  // Under `npm test` npm says where it is; by hand it is looked for, which on Windows takes a shell.
  return ownPath === undefined ? runIn(folder, "npm", args, {}) : runIn(folder, process.execPath, [ownPath, ...args], {});
}

const timeoutMs = 300_000;

function runIn(cwd: string, program: string, args: readonly string[], env: Record<string, string>): string {
  const shell = program === "npm" && process.platform === "win32";
  const ended = spawnSync(program, args, { cwd, encoding: "utf8", timeout: timeoutMs, shell, env: { ...ownEnv(), ...env } });
  if (ended.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${reason(ended)}\n${ended.stdout}${ended.stderr}`);
  return ended.stdout;
}

const reason = ({ status, signal, error }: SpawnSyncReturns<string>): string => error?.message ?? signal ?? `exit code ${status}`;

/** The environment without what `npm test` adds for this workspace; above all `--conditions=tripact-source`. */
function ownEnv(): NodeJS.ProcessEnv {
  const ours = /^(NODE_OPTIONS|NODE_TEST_CONTEXT|INIT_CWD|npm_(package|lifecycle)_.*|npm_config_(node_options|local_prefix|workspaces?|strict_allow_scripts))$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
