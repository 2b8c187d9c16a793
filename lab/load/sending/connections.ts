/** Connections of buyers: opened when needed, kept alive, one request at a time each, bounded per buyer and in all. */
import { Client } from "undici";
import { addressOf } from "./addresses.ts";

export interface ConnectionOptions {
  readonly target: URL;
  /** Each buyer from his own address; otherwise all from the same one. */
  readonly ownAddresses: boolean;
  readonly connectTimeoutMs: number;
  readonly connectionsMax: number;
}

/** Somebody whose page does not answer presses again, so a buyer has more than one; a browser has six. */
const PER_BUYER_MAX = 4;

export class Connection {
  readonly buyer: number;
  readonly client: Client;
  busy = true;

  constructor(buyer: number, { target, ownAddresses, connectTimeoutMs }: ConnectionOptions) {
    this.buyer = buyer;
    this.client = new Client(target, {
      connectTimeout: connectTimeoutMs,
      // One sweep over all requests watches their time; a timer for each connection would cost more than the request.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      pipelining: 1,
      ...(ownAddresses ? { localAddress: addressOf(buyer) } : {}),
    });
  }
}

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #byBuyer = new Map<number, Connection[]>();
  /** Free ones, the longest unused first. */
  readonly #idle = new Set<Connection>();
  #count = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** A connection for one request of this buyer, or undefined when there may be no more. */
  acquire(buyer: number): Connection | undefined {
    const own = this.#byBuyer.get(buyer);
    if (own !== undefined) {
      for (const connection of own) {
        if (connection.busy) continue;
        connection.busy = true;
        this.#idle.delete(connection);
        return connection;
      }
      if (own.length === PER_BUYER_MAX) return undefined;
    }
    if (this.#count >= this.#options.connectionsMax && !this.#dropLongestUnused()) return undefined;
    const connection = new Connection(buyer, this.#options);
    this.#count += 1;
    const known = this.#byBuyer.get(buyer);
    if (known === undefined) this.#byBuyer.set(buyer, [connection]);
    else known.push(connection);
    return connection;
  }

  release(connection: Connection): void {
    if (connection.client.destroyed) return;
    connection.busy = false;
    this.#idle.add(connection);
  }

  /** For a connection that does not come about, or is not needed any more. */
  drop(connection: Connection): void {
    const own = this.#byBuyer.get(connection.buyer);
    const place = own?.indexOf(connection) ?? -1;
    if (own === undefined || place < 0) return;
    own.splice(place, 1);
    if (own.length === 0) this.#byBuyer.delete(connection.buyer);
    this.#idle.delete(connection);
    this.#count -= 1;
    connection.client.destroy().catch(() => undefined);
  }

  close(): void {
    for (const connection of [...this.#byBuyer.values()].flat()) this.drop(connection);
  }

  #dropLongestUnused(): boolean {
    for (const connection of this.#idle) {
      this.drop(connection);
      return true;
    }
    return false;
  }
}
