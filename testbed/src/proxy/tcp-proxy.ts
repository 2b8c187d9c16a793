import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { freePort } from "../free-port.ts";
import { Link, type Direction, type Judge, type NarrowWire, type Target } from "./link.ts";
import { NarrowLane } from "./narrow-lane.ts";

export type { Direction, Judge, Target } from "./link.ts";

/**
 * Looks at what the server sends on one connection, chunk by chunk, and says when to cut.
 * Made anew for each connection, so that it may remember what it saw.
 */
export type ReplyWatcher = () => (bytes: Buffer) => boolean;

export interface ProxyOptions {
  readonly target: Target;
}

/** What happens to connections. `pass` is where a proxy starts and how each fault is healed. */
type Mode = "pass" | "refuse" | "reset";

const bothWays: readonly Direction[] = ["to-server", "to-caller"];

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startProxy({ target }: ProxyOptions): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, await freePort());
  await proxy.pass();
  return proxy;
}

/** A wire between any two processes that can be made to fail. Every fault ends with `pass()`. */
export class TcpProxy {
  readonly host = "127.0.0.1";
  readonly port: number;
  #target: Target;
  #mode: Mode = "pass";
  /** Where nothing moves. */
  #swallowed: readonly Direction[] = [];
  #delayMs = 0;
  #narrow: NarrowWire | undefined;
  #judges: (() => Judge) | undefined;
  #listener: Server | undefined;
  #links = new Set<Link>();

  constructor(target: Target, port: number) {
    this.#target = target;
    this.port = port;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#links.size;
  }

  /** Heals everything: what a black hole held is delivered, as TCP would after a partition, and what was slow is there at once. */
  async pass(): Promise<void> {
    this.#mode = "pass";
    this.#swallowed = [];
    this.delay(0);
    this.#narrowTo(undefined);
    this.intercept(undefined);
    for (const link of this.#links) {
      link.flush();
      link.resume(...bothWays);
    }
    await this.#listen();
  }

  /** New connections are refused, as by a machine where nobody listens. Open ones stay. */
  async refuse(): Promise<void> {
    this.#mode = "refuse";
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    // Its `close` event waits for the open connections; the port is free at once.
    listener.close();
  }

  /** Open connections end with a TCP reset, and so does every new one, right after it was accepted. */
  async reset(): Promise<void> {
    this.#mode = "reset";
    this.resetOpen();
    await this.#listen();
  }

  /** Nothing moves any more, in either direction or in one. Connecting still works: the kernel accepts, nobody reads. */
  async blackHole(...directions: readonly Direction[]): Promise<void> {
    this.#mode = "pass";
    this.#swallowed = directions.length === 0 ? bothWays : directions;
    for (const link of this.#links) link.pause(...this.#swallowed);
    await this.#listen();
  }

  /** As by a router that has forgotten its connections: nothing moves on the open ones any more, new ones pass. */
  strand(): void {
    for (const link of this.#links) link.pause(...bothWays);
  }

  /** Every chunk, in each direction, arrives that much later, in order. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
    for (const link of this.#links) link.delayMs = delayMs;
  }

  /** All connections together get so many bytes a second through, in each direction; what is more waits with its sender. @throws RangeError */
  narrow(bytesPerSecond: number): void {
    if (!(bytesPerSecond > 0 && bytesPerSecond < Infinity)) throw new RangeError(`bytesPerSecond must be a number above 0, got ${bytesPerSecond}`);
    this.#narrowTo({ "to-server": new NarrowLane(bytesPerSecond), "to-caller": new NarrowLane(bytesPerSecond) });
  }

  /** Has every chunk judged, by a judge for each connection that may remember what it saw, until `undefined` or `pass()`. */
  intercept(judges: (() => Judge) | undefined): void {
    this.#judges = judges;
    for (const link of this.#links) link.judge = judges?.();
  }

  /**
   * Cuts once, at the first reply that the watcher picks on any connection: the request has reached the server, which
   * has answered, and the caller sees only a reset. Resolves when the cut was made; later traffic passes. One at a
   * time, and `pass()` disarms it. Arm it while no reply is under way: a watcher of framed replies starts at a frame's first byte.
   */
  cutAfter(watcher: ReplyWatcher): Promise<void> {
    return new Promise((resolve) => {
      this.intercept(() => {
        const picks = watcher();
        return (direction, bytes) => {
          if (direction === "to-server" || !picks(bytes)) return "forward";
          this.intercept(undefined);
          resolve();
          return "cut";
        };
      });
    });
  }

  /** Sends new connections to another server. Open ones stay where they are. */
  retarget(target: Target): void {
    this.#target = target;
  }

  /** Open connections end with a TCP reset; new ones are not concerned. */
  resetOpen(): void {
    for (const link of this.#links) link.reset();
  }

  /** Ends the proxy and every connection; twice does no harm. */
  async close(): Promise<void> {
    await this.refuse();
    this.resetOpen();
  }

  #narrowTo(narrow: NarrowWire | undefined): void {
    this.#narrow = narrow;
    for (const link of this.#links) link.narrow = narrow;
  }

  async #listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    // Half-open, so that one side's end reaches the other as an end and not as a close.
    const listener = createServer({ allowHalfOpen: true }, (caller) => this.#accept(caller));
    this.#listener = listener;
    listener.listen(this.port, this.host);
    await once(listener, "listening");
  }

  #accept(caller: Socket): void {
    if (this.#mode === "reset") {
      caller.resetAndDestroy();
      return;
    }
    const link = new Link(caller, this.#target, this.#delayMs);
    this.#links.add(link);
    link.onClosed(() => this.#links.delete(link));
    link.narrow = this.#narrow;
    link.judge = this.#judges?.();
    const passes = bothWays.filter((direction) => !this.#swallowed.includes(direction));
    if (passes.length > 0) link.resume(...passes);
  }
}
