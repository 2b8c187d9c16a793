import { readFileSync } from "node:fs";
import { textOf } from "../protocol/errors.ts";
import { usageError, type Args, type Io } from "./command.ts";

const SECRET_CHARACTERS_MIN = 16;

/** From a file or the environment; never from the command line, which every user of the machine can read. */
export function confidential(name: "token" | "secret", args: Args, io: Io): string {
  const file = args.text(`${name}-file`);
  const variable = `TRIPACT_${name.toUpperCase()}`;
  const text = (file === undefined ? (io.env[variable] ?? "") : fileOf(file, name)).trim();
  const from = file === undefined ? variable : `the file of --${name}-file`;
  if (text === "" && file === undefined) throw usageError(`no ${name}: say --${name}-file FILE, or set ${variable}; openssl rand -hex 32 makes one`);
  if (text.length < SECRET_CHARACTERS_MIN) throw usageError(`${from} holds ${text.length} characters, a ${name} has at least ${SECRET_CHARACTERS_MIN}`);
  if (/\s/.test(text)) throw usageError(`${from} holds more than one word; a ${name} has no spaces`);
  return text;
}

function fileOf(path: string, name: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(`--${name}-file cannot be read: ${textOf(error)}`);
  }
}
