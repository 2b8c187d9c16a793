/**
 * In a shop, buyers, gateway and what stands behind it run on machines of their own. Here they share one, and a load generator that is starved
 * by what it measures measures nothing. So what stands behind the gateway gives way to it and to the generator.
 */
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

const FIRST = -15;
const BEHIND = 15;

/** The generator and the gateway. Takes a privilege; without it they are at least not put behind. */
export function goFirst(pid: number | undefined): void {
  if (pid !== undefined) autogroup(pid, FIRST);
}

/** Threads and processes that it starts from now on give way as well. Where the system refuses, everything runs alike. */
export function giveWay(pid: number | undefined): void {
  if (pid === undefined) return;
  autogroup(pid, BEHIND);
  try {
    setPriority(pid, BEHIND);
  } catch {
    // It has ended, or this system has no such thing.
  }
}

/** Linux weighs sessions before it weighs processes, and every process on a leash is a session of its own: niceness alone does nothing between them. */
function autogroup(pid: number, niceness: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness));
  } catch {
    // Another system, or not allowed.
  }
}
