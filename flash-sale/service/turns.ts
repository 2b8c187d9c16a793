/** Who of several workers that answer alike is asked next, and how long he is waited for, when one of them may be on a host that is gone. */

/**
 * One that has not answered is asked last for this time, twice as long each time that it does not, up to the cap. Then one question tries it, and the others keep
 * away until it is known what became of that one: nothing that is sent to a lost host is answered or refused, so whoever asks it waits for nothing. While another
 * answers there is no hurry to have it back, and where only one question goes at a time (a batch of messages) all wait for the one that tries.
 */
const ASKED_LAST_MS = 1_000;
const ASKED_LAST_CAP_MS = 8_000;
/** Of the question that tries it, while there is one that answers to go on to. Where all are slow, giving up early would only ask more of them. */
const TRIAL_TIMEOUT_MS = 500;

/** One question to one of them. */
export interface Turn {
  readonly index: number;
  readonly timeoutMs: number;
  readonly answered: () => void;
  readonly silent: () => void;
}

export class Turns {
  readonly #clock: () => number;
  /** Of each: asked last until then; undefined where it answers. */
  readonly #silentUntil: (number | undefined)[];
  /** How often in a row each of them was silent. */
  readonly #silences: number[];
  #turn = 0;

  constructor(count: number, clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#silentUntil = Array.from({ length: count }, () => undefined);
    this.#silences = Array.from({ length: count }, () => 0);
  }

  /** Each of them once: in turn, and those that were silent last. Each turn begins when the one before is known to have failed. */
  *of(usualTimeoutMs: number): Generator<Turn> {
    const order = this.#order();
    for (const index of order) yield this.#begin(index, usualTimeoutMs, index === order.at(-1));
  }

  #order(): readonly number[] {
    const count = this.#silentUntil.length;
    const now = this.#clock();
    this.#turn = (this.#turn + 1) % count;
    const turns = Array.from({ length: count }, (_, step) => (this.#turn + step) % count);
    const isSilent = (index: number): boolean => now < (this.#silentUntil[index] ?? -Infinity);
    return [...turns.filter((index) => !isSilent(index)), ...turns.filter(isSilent)];
  }

  #begin(index: number, usualTimeoutMs: number, isLast: boolean): Turn {
    const onTrial = this.#silentUntil[index] !== undefined;
    const before = this.#silences[index] ?? 0;
    const silent = (): void => {
      this.#silences[index] = before + 1;
      this.#silentUntil[index] = this.#clock() + Math.min(ASKED_LAST_CAP_MS, ASKED_LAST_MS * 2 ** Math.min(before, 10));
    };
    const another = !isLast && this.#silentUntil.some((until, other) => other !== index && until === undefined);
    if (onTrial) silent();
    return {
      index,
      timeoutMs: onTrial && another ? Math.min(TRIAL_TIMEOUT_MS, usualTimeoutMs) : usualTimeoutMs,
      silent,
      answered: () => {
        this.#silences[index] = 0;
        this.#silentUntil[index] = undefined;
      },
    };
  }
}
