import { EXIT, type ExitCode, type Io } from "./command.ts";

/** Resolves at the first signal, when everything has to stop; at the second, or before the start is over, nothing is waited for. */
export function onSignals(program: string, stopping: AbortController, start: { readonly over: boolean }, io: Io): Promise<ExitCode> {
  const { promise, resolve } = Promise.withResolvers<ExitCode>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(EXIT.failed);
      if (!start.over) {
        io.err(`${program}: ${signal} before it was ready, stopped\n`);
        process.exit(EXIT.ok);
      }
      io.err(`${program}: ${signal}, stopping; once more exits at once\n`);
      stopping.abort();
      resolve(EXIT.ok);
    });
  }
  return promise;
}
