import { text } from "node:stream/consumers";
import { spawnLeashed } from "../leash/leash.ts";
import type { Account } from "./account.ts";

export interface RunOptions {
  readonly account?: Account | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its standard input. */
  readonly input?: string;
}

/** Runs a program to its end under the leash and gives its standard output; a non-zero exit rejects with what it said. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { account, env, input } = options;
  const child = await spawnLeashed({
    command,
    args,
    cwd: "/", // ours may be closed to the account
    stdio: ["pipe", "pipe", "pipe"],
    env: env ?? plainEnvironment(),
    ...account,
  });
  child.stdin?.on("error", () => {}); // it may end without reading; its exit code says what counts
  child.stdin?.end(input);
  const [output, complaints, { code }] = await Promise.all([
    child.stdout === null ? "" : text(child.stdout),
    child.stderr === null ? "" : text(child.stderr),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${complaints.trim() || output.trim()}`);
  return output;
}

/** Without the caller's `PG*` variables, locale and time zone: a server of a test behaves alike on every machine. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" };
}
