import { connect, type Socket } from "node:net";
import { DelayLine } from "./delay-line.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** `to-server`: what the caller sends. `to-caller`: what the server answers. */
export type Direction = "to-server" | "to-caller";

/** What is done with a chunk on its way. */
type Verdict = "forward" | "cut";

/** One connection through the proxy: caller to server and back. It starts paused, and connects to the server when first resumed. */
export class Link {
  delayMs: number;
  readonly #caller: Socket;
  readonly #target: Target;
  #server: Socket | undefined;
  readonly #paused = new Set<Direction>(["to-server", "to-caller"]);
  #judgeReply: ((bytes: Buffer) => Verdict) | undefined;
  #closed: (() => void) | undefined;

  constructor(caller: Socket, target: Target, delayMs: number) {
    this.#caller = caller;
    this.#target = target;
    this.delayMs = delayMs;
    caller.setNoDelay(true);
    caller.pause();
    caller.on("error", () => this.reset());
    caller.on("close", () => this.#end());
  }

  onClosed(listener: () => void): void {
    this.#closed = listener;
  }

  /** Judges every chunk from the server before it is passed on; `undefined` stops that. */
  watchReplies(judge: ((bytes: Buffer) => Verdict) | undefined): void {
    this.#judgeReply = judge;
  }

  pause(...directions: readonly Direction[]): void {
    for (const direction of directions) {
      this.#paused.add(direction);
      this.#source(direction)?.pause();
    }
  }

  resume(...directions: readonly Direction[]): void {
    this.#server ??= this.#connect();
    for (const direction of directions) {
      this.#paused.delete(direction);
      this.#source(direction)?.resume();
    }
  }

  /** Ends both sides with a TCP reset. */
  reset(): void {
    resetSocket(this.#caller);
    if (this.#server !== undefined) resetSocket(this.#server);
  }

  #connect(): Socket {
    const server = connect({ host: this.#target.host, port: this.#target.port, allowHalfOpen: true, noDelay: true });
    server.on("error", () => this.reset());
    server.on("close", () => this.#end());
    this.#pump("to-server", this.#caller, server, () => "forward");
    this.#pump("to-caller", server, this.#caller, (bytes) => this.#judgeReply?.(bytes) ?? "forward");
    return server;
  }

  #source(direction: Direction): Socket | undefined {
    return direction === "to-server" ? this.#caller : this.#server;
  }

  #pump(direction: Direction, from: Socket, to: Socket, judge: (bytes: Buffer) => Verdict): void {
    const line = new DelayLine();
    from.on("data", (bytes: Buffer) => {
      switch (judge(bytes)) {
        case "cut":
          this.reset();
          return;
        case "forward":
          line.send(this.delayMs, () => {
            // A slow reader slows the writer down, as it would without us.
            if (to.writable && !to.write(bytes)) from.pause();
          });
      }
    });
    from.on("end", () => line.send(this.delayMs, () => to.end()));
    to.on("drain", () => {
      if (!this.#paused.has(direction)) from.resume();
    });
    // A listener for data sets a stream flowing.
    if (this.#paused.has(direction)) from.pause();
  }

  #end(): void {
    const bothClosed = this.#caller.destroyed && (this.#server?.destroyed ?? true);
    if (bothClosed) this.#closed?.();
  }
}

/** A socket whose end is still on its way out cannot be reset: Node 26 never closes it then and spins for ever at its exit. */
function resetSocket(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
