/** A disk of one's own: an ext4 in a file. It can be full, and it can lose its power with everything that was not flushed. */
import { existsSync, mkdirSync } from "node:fs";
import { chmod, mkdir, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { leashedFolder, leashMount, removeLeashedFolder, unleashMount } from "../leash/leash.ts";
import { run } from "../postgres/run.ts";
import { isInstalled, whyNotPrivileged } from "../privileged.ts";
import { mountImage, unmount, unmountForGood, type Mount } from "./mount.ts";

export interface DiskOptions {
  /** What fits on it; default 4,096. The image is sparse: it takes what is written. */
  readonly mib?: number;
}

const MIB = 1_048_576;
const MIB_DEFAULT = 4_096;
/** A database has some hundreds of files. */
const FILES_MAX = 65_536;
/** Each halves what is left, or what is asked for. */
const FILLERS_MAX = 200;
const PROGRAMS = ["mkfs.ext4", "mount", "umount", "fallocate", "sync", "perl"];

/** Why there can be no such disk here. */
export function whyNoDisk(): string | undefined {
  const privilege = whyNotPrivileged();
  if (privilege !== undefined) return privilege;
  const missing = PROGRAMS.filter((program) => !isInstalled(program));
  if (missing.length > 0) return `not installed: ${missing.join(", ")} (Debian: apt-get install e2fsprogs mount util-linux perl-base)`;
  return existsSync("/dev/loop-control") ? undefined : "this kernel has no loop devices (/dev/loop-control)";
}

/** Makes it under /var/tmp and mounts it. It goes with this process at the latest. @throws where `whyNoDisk` says why */
export async function createDisk({ mib = MIB_DEFAULT }: DiskOptions = {}): Promise<Disk> {
  if (!Number.isSafeInteger(mib) || mib < 32) throw new RangeError(`mib must be a whole number of at least 32, got ${mib}`);
  const why = whyNoDisk();
  if (why !== undefined) throw new Error(`no disk of one's own here: ${why}`);
  const home = leashedFolder("/var/tmp/tripact-disk-");
  // A server's account is to reach its data through it.
  await chmod(home, 0o755);
  const mount = { image: join(home, "image"), folder: join(home, "disk") };
  mkdirSync(mount.folder);
  try {
    await writeFile(mount.image, "");
    await truncate(mount.image, mib * MIB);
    // No blocks are kept back for root, so that full is full for everybody.
    await run("mkfs.ext4", ["-q", "-F", "-m", "0", "-N", String(FILES_MAX), mount.image]);
    leashMount(mount);
    await mountImage(mount);
  } catch (error) {
    await removeDisk(home, mount);
    throw error;
  }
  return new Disk(home, mount);
}

export class Disk {
  readonly #home: string;
  readonly #mount: Mount;
  #powered = true;
  #removed = false;

  constructor(home: string, mount: Mount) {
    this.#home = home;
    this.#mount = mount;
  }

  /** Where its files are. */
  get folder(): string {
    return this.#mount.folder;
  }

  /** Whether it can be read and written. */
  get powered(): boolean {
    return this.#powered;
  }

  /** Takes every block that is left. What has blocks already can still be written over. */
  async fill(): Promise<void> {
    await mkdir(this.#fillers, { recursive: true });
    const { bsize } = await statfs(this.folder);
    let bytes = Number.POSITIVE_INFINITY;
    for (let file = 0; file < FILLERS_MAX; file += 1) {
      const { bavail } = await statfs(this.folder);
      bytes = Math.min(bytes, bavail * bsize);
      if (bytes < bsize) return;
      // Blocks are taken and none is written, so a large disk is full as fast as a small one.
      const took = await run("fallocate", ["--length", String(bytes), join(this.#fillers, String(file))]).then(() => true, () => false);
      if (!took) bytes = Math.floor(bytes / 2 / bsize) * bsize;
    }
    throw new Error(`${this.folder} is not full after ${FILLERS_MAX} files`);
  }

  /** Gives back what `fill` took. Twice does no harm. */
  async free(): Promise<void> {
    await rm(this.#fillers, { recursive: true, force: true });
    // ext4 hands blocks out again only when the deletion is in its journal.
    await run("sync", ["--file-system", this.folder]);
  }

  /** From now on nothing reaches it, and what was not flushed is gone; reading and writing fail. Twice does no harm. */
  async losePower(): Promise<void> {
    if (!this.#powered) return;
    this.#powered = false;
    await run("perl", ["-e", SHUT_DOWN, this.folder]);
  }

  /** As at a boot: mounted anew, its journal replayed. Nobody may have a file open there. Twice does no harm. */
  async powerOn(): Promise<void> {
    if (this.#powered) return;
    await unmount(this.#mount);
    await mountImage(this.#mount);
    this.#powered = true;
  }

  /** Unmounts and deletes it with all that is there. Twice does no harm. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    await removeDisk(this.#home, this.#mount);
  }

  get #fillers(): string {
    return join(this.folder, "fillers");
  }
}

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: the journal is not written out either. Node cannot make the call. */
const SHUT_DOWN = `open(my $folder, "<", $ARGV[0]) or die "open: $!"; my $no_log_flush = pack("L", 2); ioctl($folder, 0x8004587d, $no_log_flush) or die "shutdown: $!";`;

async function removeDisk(home: string, mount: Mount): Promise<void> {
  await unmountForGood(mount);
  unleashMount(mount);
  removeLeashedFolder(home);
}
