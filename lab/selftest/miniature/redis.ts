/**
 * As much of a Redis as a shop needs to be harmed by it: counters on a primary, a replica that follows when it follows, a failover that
 * promotes it as it is, and a client that sends again what was not answered.
 */
import type { World } from "./world.ts";

type Command = (data: Map<string, number>) => void;

export class Redis {
  #primary = new Map<string, number>();
  #replica = new Map<string, number>();
  readonly #unreplicated: Command[] = [];

  set(key: string, value: number): void {
    this.#do((data) => void data.set(key, value));
  }

  /** As Redis does it: below zero, too. */
  decr(key: string): number {
    this.#do((data) => void data.set(key, (data.get(key) ?? 0) - 1));
    return this.get(key);
  }

  /** As a script: takes one for this id, if there is one; the same answer however often it is sent. */
  takeOnce(key: string, id: string): boolean {
    const taken = `${key} ${id}`;
    if (this.get(taken) === 1) return true;
    if (this.get(key) <= 0) return false;
    this.#do((data) => {
      data.set(taken, 1);
      data.set(key, (data.get(key) ?? 0) - 1);
    });
    return true;
  }

  get(key: string): number {
    return this.#primary.get(key) ?? 0;
  }

  /** Lets the replica catch up by so many commands. */
  replicate(commands: number): void {
    for (const command of this.#unreplicated.splice(0, commands)) command(this.#replica);
  }

  /** What the replica has not heard of is forgotten, though it was answered. */
  failOver(): void {
    this.#primary = this.#replica;
    this.#replica = new Map(this.#primary);
    this.#unreplicated.length = 0;
  }

  #do(command: Command): void {
    command(this.#primary);
    this.#unreplicated.push(command);
  }
}

const RESENT_SHARE = 0.3;
const SENT_MAX = 3;

/** What a client does whose connection broke before the answer: it sends the command once more. */
export function resending<Answer>(world: World, command: () => Answer): Answer {
  let answer = command();
  for (let sent = 1; sent < SENT_MAX && world.chance(RESENT_SHARE); sent += 1) answer = command();
  return answer;
}
