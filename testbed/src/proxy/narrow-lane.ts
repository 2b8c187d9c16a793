/** One direction of a wire that carries so many bytes a second, whoever sends them: what comes waits behind what is under way. */
export class NarrowLane {
  readonly #bytesPerMs: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  /** Takes the next place in the queue. @returns in how many ms the last byte has arrived */
  take(bytes: number, nowMs: number): number {
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.#bytesPerMs;
    return this.#freeAtMs - nowMs;
  }
}

/** What an Ethernet frame carries of a TCP stream: a long chunk trickles in, it does not come whole at the end. */
const PIECE_BYTES = 1_460;

export function piecesOf(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, index) => bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES));
}
