/** What every command of the lab has in common: options that are wrong are said before anything starts, and Ctrl-C ends in good order. */

/** An option that is wrong. Nothing has been started. */
export class BadUsage extends Error {
  readonly code = "bad-usage";
}

export const INTERRUPTED = 130;

export function fileOf(text: string | undefined): string | undefined {
  if (text === "") throw new BadUsage("--json needs a file's name");
  return text;
}

export function whole(option: string, text: string, most: number): number {
  // Number("") and Number("1e3") are numbers; nobody means them.
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= most)) throw new BadUsage(`${option} needs a whole number from 1 to ${most}, got "${text}"`);
  return value;
}

/** The first one ends in good order, a second one at once: all that was started is on a leash, which ends with us. */
export function interruption(say: (line: string) => void): AbortSignal {
  const interrupting = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (interrupting.signal.aborted) process.exit(INTERRUPTED);
      say("Stopping every process; once more kills them at once.");
      interrupting.abort();
    });
  }
  return interrupting.signal;
}
