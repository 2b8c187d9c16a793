import { setTimeout as wait } from "node:timers/promises";

const LOOK_EVERY_MS = 20;

/** Looks until it is so. @throws when it is not after the cap, with `what` was waited for. */
export async function until(what: string, capMs: number, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + capMs;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`after ${capMs} ms it was not seen that ${what}`);
    await wait(LOOK_EVERY_MS);
  }
}

/** @throws when it has not come by then. */
export async function inTime<T>(what: string, capMs: number, promise: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = wait(capMs, undefined, { signal: ended.signal }).then(() => Promise.reject(new Error(`${what} was not over after ${capMs} ms`)));
  // Nobody waits for it any more when the promise was first.
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}
