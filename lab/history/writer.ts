/** Writes a history: append-only, flushed every 50 ms, so that whoever kills this process takes less than 100 ms with him. */
import { open } from "node:fs/promises";
import { HistoryError } from "./decode.ts";
import type { End, Header, Line } from "./line.ts";

export interface HistoryWriter {
  /** Never throws and never waits. What finds no room, or comes after the close, is counted. */
  append(line: Exclude<Line, Header | End>): void;
  /** Lines lost so far. */
  readonly unwritten: number;
  /** Hands everything to the operating system now. */
  flush(): Promise<void>;
  /** Writes the last line, syncs and closes. Tells how many lines are missing. A second call does the same as the first. */
  close(at: number): Promise<number>;
  /** Closes without the last line: whoever reads it knows that the run was broken off. */
  breakOff(): Promise<void>;
}

export interface WriterOptions {
  readonly path: string;
  readonly header: Header;
  /** What may wait for a slow disk. */
  readonly waitingBytesMax?: number;
}

const FLUSH_EVERY_MS = 50;
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** @throws HistoryError `exists`: no history is ever written over, or into. */
export async function openHistory({ path, header, waitingBytesMax = WAITING_BYTES_MAX }: WriterOptions): Promise<HistoryWriter> {
  const file = await open(path, "wx").catch((error: unknown) => {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new HistoryError(exists ? "exists" : "unreadable", exists ? `${path} exists already` : `${path} cannot be written`, error);
  });
  return writeHistory(file, header, waitingBytesMax);
}

/** What is needed of a file handle. */
export interface HistoryFile {
  write(bytes: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
  truncate(bytes: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The same on an empty file that is open already. */
export function writeHistory(file: HistoryFile, header: Header, waitingBytesMax = WAITING_BYTES_MAX): HistoryWriter {
  return new Writer(file, header, waitingBytesMax);
}

class Writer implements HistoryWriter {
  readonly #file: HistoryFile;
  readonly #waitingBytesMax: number;
  readonly #timer: NodeJS.Timeout;
  #waiting: string[] = [];
  #waitingBytes = 0;
  /** Lines taken from the queue whose write has not succeeded yet. */
  #batch: { readonly bytes: Buffer; readonly lines: number } | undefined;
  #goodBytes = 0;
  #lines = 0;
  #flushing: Promise<void> | undefined;
  #closing: Promise<number> | undefined;
  unwritten = 0;

  constructor(file: HistoryFile, header: Header, waitingBytesMax: number) {
    this.#file = file;
    this.#waitingBytesMax = waitingBytesMax;
    this.#take(`${JSON.stringify(header)}\n`);
    this.#timer = setInterval(() => {
      if (this.#flushing === undefined) void this.flush();
    }, FLUSH_EVERY_MS);
  }

  append(line: Line): void {
    const json = `${JSON.stringify(line)}\n`;
    if (this.#closing !== undefined || this.#waitingBytes + json.length > this.#waitingBytesMax) this.unwritten += 1;
    else this.#take(json);
  }

  #take(json: string): void {
    this.#waiting.push(json);
    this.#waitingBytes += json.length;
  }

  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    this.#flushing = this.#write();
    await this.#flushing;
    this.#flushing = undefined;
  }

  /** A batch that fails is written again at the same place: a full disk leaves no half line in the middle. */
  async #write(): Promise<void> {
    if (this.#batch === undefined && this.#waiting.length > 0) {
      this.#batch = { bytes: Buffer.from(this.#waiting.join("")), lines: this.#waiting.length };
      this.#waiting = [];
    }
    const batch = this.#batch;
    if (batch === undefined) return;
    try {
      await writeWhole(this.#file, batch.bytes, this.#goodBytes);
    } catch {
      // Tried again with the next flush; what is lost in the end is counted.
      return;
    }
    this.#goodBytes += batch.bytes.length;
    this.#waitingBytes -= batch.bytes.length;
    this.#lines += batch.lines;
    this.#batch = undefined;
  }

  close(at: number): Promise<number> {
    this.#closing ??= this.#close(at);
    return this.#closing;
  }

  async breakOff(): Promise<void> {
    this.#closing ??= this.#close(undefined);
    await this.#closing;
  }

  async #close(at: number | undefined): Promise<number> {
    clearInterval(this.#timer);
    // Once for a batch that is still there, once for what came after it.
    await this.flush();
    await this.flush();
    this.unwritten += (this.#batch?.lines ?? 0) + this.#waiting.length;
    this.#waiting = [];
    this.#batch = undefined;
    await this.#file.truncate(this.#goodBytes).catch(() => undefined);
    if (at !== undefined) {
      const end: End = { kind: "end", at, lines: this.#lines, unwritten: this.unwritten };
      this.#take(`${JSON.stringify(end)}\n`);
      await this.flush();
      await this.#file.sync().catch(() => undefined);
    }
    await this.#file.close().catch(() => undefined);
    return this.unwritten;
  }
}

async function writeWhole(file: HistoryFile, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    if (bytesWritten === 0) throw new Error("the disk takes nothing");
    written += bytesWritten;
  }
}
