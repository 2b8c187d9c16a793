import { connect, type Socket } from "node:net";
import { DelayLine } from "./delay-line.ts";
import { piecesOf, type NarrowLane } from "./narrow-lane.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** `to-server`: what the caller sends. `to-caller`: what the server answers. */
export type Direction = "to-server" | "to-caller";

/** Looks at every chunk on its way, before it is passed on. What is cut goes no further, and both sides see a TCP reset. */
export type Judge = (direction: Direction, bytes: Buffer) => "forward" | "cut";

/** Shared by all connections through a proxy. */
export type NarrowWire = Readonly<Record<Direction, NarrowLane>>;

/** One connection through the proxy: caller to server and back. It starts paused, and connects to the server when first resumed. */
export class Link {
  delayMs: number;
  narrow: NarrowWire | undefined;
  judge: Judge | undefined;
  readonly #caller: Socket;
  readonly #target: Target;
  #server: Socket | undefined;
  readonly #paused = new Set<Direction>(["to-server", "to-caller"]);
  readonly #lines: Readonly<Record<Direction, DelayLine>> = { "to-server": new DelayLine(), "to-caller": new DelayLine() };
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

  /** Delivers at once what was to come later. */
  flush(): void {
    for (const line of Object.values(this.#lines)) line.flush();
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
    this.#pump("to-server", this.#caller, server);
    this.#pump("to-caller", server, this.#caller);
    return server;
  }

  #source(direction: Direction): Socket | undefined {
    return direction === "to-server" ? this.#caller : this.#server;
  }

  #pump(direction: Direction, from: Socket, to: Socket): void {
    const line = this.#lines[direction];
    const write = (bytes: Buffer): void => {
      // A slow reader slows the writer down, as it would without us.
      if (to.writable && !to.write(bytes)) from.pause();
    };
    const goOn = (): void => {
      if (!this.#paused.has(direction) && !to.writableNeedDrain) from.resume();
    };
    from.on("data", (bytes: Buffer) => {
      if (this.judge?.(direction, bytes) === "cut") this.reset();
      else if (this.narrow === undefined) line.send(this.delayMs, () => write(bytes));
      else {
        // One chunk of a connection is on the narrow wire at a time. The rest stays with its sender: there is no queue here to overflow.
        from.pause();
        for (const piece of piecesOf(bytes)) line.send(this.delayMs + this.narrow[direction].take(piece.length, performance.now()), () => write(piece));
        line.send(0, goOn);
      }
    });
    from.on("end", () => line.send(this.delayMs, () => to.end()));
    to.on("drain", goOn);
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
