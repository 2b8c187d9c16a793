/**
 * A wall clock that can be set wrong for some processes, by libfaketime. Monotonic clocks stay true, as they do when a real one jumps. Within a
 * wait the library shows the true time to a signal handler: a timeout that a Postgres sets while its clock is ahead, and that is to end
 * such a wait, comes as late as the clock is ahead. After a real jump back it would come as late.
 */
import { existsSync, globSync, renameSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { leashedFolder, removeLeashedFolder } from "../leash/leash.ts";
import { installPackages, whyNoPackages } from "../system-packages.ts";

export interface FakedClock {
  /**
   * For the environment of a process that is to go by it. `many`: for programs with threads, under a lock. `one`: for those that ask for
   * the time in signal handlers, as Postgres does, and would wait there for their own lock.
   */
  environment(threads: "one" | "many"): Readonly<Record<string, string>>;
  /** From now on its processes see the true time and this much more; 0 sets it right. */
  setAhead(ms: number): void;
  /** Its processes have ended. Twice does no harm. */
  remove(): void;
}

const PACKAGE = "libfaketime";
const LIBRARIES = { one: "libfaketime.so.1", many: "libfaketimeMT.so.1" } as const;
const FOLDERS = ["/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"];

/** Why no process can be given a wrong clock here. */
export function whyNoFakedClock(): string | undefined {
  if (process.platform !== "linux") return `it takes Linux, this is ${process.platform}`;
  if (libraryFolder() !== undefined) return undefined;
  const reason = whyNoPackages();
  return reason === undefined ? undefined : `libfaketime is not installed (Debian: apt-get install ${PACKAGE}), and ${reason}`;
}

/** Installs the library when it is missing, as root on Debian: ahead of a network from which nothing can be fetched. @throws where `whyNoFakedClock` says why, and when it could not be fetched */
export async function fetchFakedClock(): Promise<void> {
  const why = whyNoFakedClock();
  if (why !== undefined) throw new Error(`no faked clock here: ${why}`);
  if (libraryFolder() === undefined) await installPackages([PACKAGE]);
}

/** One that is right; its library is installed as by `fetchFakedClock`. @throws as that does */
export async function createFakedClock(): Promise<FakedClock> {
  await fetchFakedClock();
  const libraries = libraryFolder();
  if (libraries === undefined) throw new Error(`${PACKAGE} was installed, but there is no ${LIBRARIES.one} in ${FOLDERS.join(", ")}`);
  const folder = leashedFolder("/var/tmp/tripact-clock-");
  await chmod(folder, 0o755);
  const control = join(folder, "ahead");
  const setAhead = (ms: number): void => {
    if (!Number.isFinite(ms)) throw new RangeError(`a clock is set ahead by a number of milliseconds, got ${ms}`);
    // Renamed into place: whoever reads in this moment must not find an empty file.
    writeFileSync(`${control}.new`, `${ms < 0 ? "-" : "+"}${Math.abs(ms) / 1_000}\n`, { mode: 0o644 });
    renameSync(`${control}.new`, control);
  };
  setAhead(0);
  return {
    environment: (threads) => ({
      LD_PRELOAD: join(libraries, LIBRARIES[threads]),
      FAKETIME_TIMESTAMP_FILE: control,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    }),
    setAhead,
    remove: () => removeLeashedFolder(folder),
  };
}

function libraryFolder(): string | undefined {
  return globSync([...FOLDERS]).find((folder) => Object.values(LIBRARIES).every((library) => existsSync(join(folder, library))));
}
