import type { ParseArgsOptionsConfig } from "node:util";
import { TripactError, type TripactErrorCode } from "../protocol/errors.ts";

/** What the shell is told. Scripts rely on these: a code keeps its meaning. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** The command line, or a file that it names, cannot be followed. */
  usage: 2,
  /** No transaction has this gid, no message this id. */
  notFound: 3,
  /** Nobody answers at the store's address, or it does not let us in: worth another try. */
  unreachable: 4,
  /** The store answers, but is not fit: no schema, another version, no rights, a pooler, a durability that it does not give. */
  unfit: 5,
  /** There is nothing to decide, or it is decided otherwise. */
  refused: 6,
  /** Written down, but nobody has taken it up yet. */
  waiting: 7,
} as const;
/** The same for people, in `tripact --help`. */
export const EXIT_MEANS: Readonly<Record<ExitCode, string>> = {
  0: "ok",
  1: "failed",
  2: "the command line, or a file that it names, cannot be followed",
  3: "no transaction has this gid, no message this id",
  4: "the store does not answer, or does not let us in: try again",
  5: "the store is not fit: no schema, no rights, a pooler, not the declared durability",
  6: "there is nothing to decide, or it is decided otherwise",
  7: "written down, but not taken up yet",
};
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The world as a command sees it. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Command {
  /** What follows the name: `<gid> [--json]`. */
  readonly usage: string;
  /** Options and notes, shown by `--help`. */
  readonly details: string;
  readonly options: ParseArgsOptionsConfig;
  readonly positionals: { readonly min: number; readonly max: number };
  run(args: Args, io: Io): Promise<ExitCode>;
}

/** Ends a command with one line for people and a code for the shell. */
export class CommandError extends Error {
  readonly exit: ExitCode;

  constructor(exit: ExitCode, message: string) {
    super(message);
    this.exit = exit;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError(EXIT.usage, message);
}

/** Parsed arguments, read by name. Throws a usage error that names the option. */
export class Args {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(positionals: readonly string[], values: Readonly<Record<string, unknown>>) {
    this.positionals = positionals;
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** A whole number from `min` to `max`. */
  whole(name: string, otherwise: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw usageError(`--${name} is a whole number from ${min} to ${max}`);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((it) => it === text);
    if (choice === undefined) throw usageError(`--${name} is one of ${choices.join(", ")}`);
    return choice;
  }
}

/** The exit code of an error that the toolkit threw on purpose. */
export function exitOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exit;
  return error instanceof TripactError ? (EXIT_OF[error.code] ?? EXIT.failed) : EXIT.failed;
}

const EXIT_OF: Readonly<Partial<Record<TripactErrorCode, ExitCode>>> = {
  "durability-refused": EXIT.unfit,
  "illegal-transition": EXIT.refused,
  "invalid-gid": EXIT.usage,
  "invalid-option": EXIT.usage,
  "not-supported": EXIT.unfit,
  "pooler-refused": EXIT.unfit,
  "schema-mismatch": EXIT.unfit,
  "store-unknown": EXIT.unreachable,
  "store-unreachable": EXIT.unreachable,
  "unknown-subscription": EXIT.notFound,
  "unknown-transaction": EXIT.notFound,
};
