import { createServer, type Server } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import { hostname } from "node:os";
import { adminHandler } from "../../admin/server.ts";
import { plain } from "../../admin/wording.ts";
import { textOf, TripactError } from "../../protocol/errors.ts";
import { placeOf } from "../../stores/postgres/outcome.ts";
import { postgresStore, type DurabilityLevel } from "../../stores/postgres/store.ts";
import { httpTransport } from "../../transports/http/client.ts";
import type { Participant } from "../../transports/participant.ts";
import { createTripact, type Tripact } from "../../tripact.ts";
import { allowedHosts } from "../../wire/allowed-hosts.ts";
import { CommandError, EXIT, type Args, type Command, type Io } from "../command.ts";
import { confidential } from "../confidential.ts";
import { lineOf } from "../notice-line.ts";
import { onSignals } from "../signals.ts";
import { storeHelp, storeOptions, urlOf, withRights } from "../store.ts";

/** Each limit with its reason. */
const LIMITS = {
  /** A client on a slow line sends its headers in a second or two. */
  headersTimeoutMs: 10_000,
  /** 1 MiB at 300 kbit/s. */
  requestTimeoutMs: 30_000,
  /** How often those two are looked at: they are kept to within this. */
  checkEveryMs: 2_000,
  keepAliveTimeoutMs: 5_000,
  /** Half of the 1,024 file handles that a process often has: the store and the participants need some as well. */
  connectionsMax: 512,
  /** A participant costs a pool of sockets. Plans name participants by URL, so their number has to end somewhere. */
  participantsMax: 1_000,
  /** For answers that are still being sent when everything else has stopped. */
  goodbyeMs: 1_000,
} as const;

export const command: Command = {
  usage: "[--port 8300] [--host 127.0.0.1] --token-file FILE --secret-file FILE [--allow-host HOST:PORT ...]",
  details: `${storeHelp}
  --port N             default 8300; 0 takes a free one and says which
  --host ADDRESS       default 127.0.0.1. It speaks plain HTTP: elsewhere, put TLS in front of it
  --token-file FILE    what clients send as "authorization: Bearer ..."; or TRIPACT_TOKEN
  --secret-file FILE   signs the calls to participants, who know it too; or TRIPACT_SECRET
  --allow-host H:PORT  a host that plans may call, "name:port" or "name:*"; again for each. Default: this machine only
  --name NAME          what list and show call this node (default: the host's name)
  --on-standby-lost stop|degrade  declare durability "replicated": the store has a synchronous standby; without one, stop or go on below it
  --wait-for-store-ms N  wait this long for a store that is down at start

Token and secret have at least 16 characters and no default: openssl rand -hex 32 > token. GET /openapi.json describes the API.
SIGTERM and SIGINT stop it gracefully: not ready, no new work, calls in flight end, the rest is handed over. A second one exits at once.`,
  options: {
    ...storeOptions,
    port: { type: "string" },
    host: { type: "string" },
    "token-file": { type: "string" },
    "secret-file": { type: "string" },
    "allow-host": { type: "string", multiple: true },
    name: { type: "string" },
    "on-standby-lost": { type: "string" },
    "wait-for-store-ms": { type: "string" },
  },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const settings = settingsIn(args, io);
    const stopping = new AbortController();
    const start = { over: false };
    const signalled = onSignals("tripact serve", stopping, start, io);
    const store = postgresStore({ url: settings.url, applicationName: "tripact serve", durability: settings.durability });
    const participants = new Participants(settings.secret, settings.allowHosts);
    const tripact = await createTripact({
      store,
      nodeName: settings.name,
      resolveParticipant: (target) => participants.resolve(target),
      onNotice: (notice) => io.err(`${lineOf(notice)}\n`),
      waitForStoreMs: settings.waitForStoreMs,
    }).catch((error: unknown) => {
      throw withRights(error, settings.url);
    });
    start.over = true;
    try {
      const onError = (error: unknown): void => io.err(`${new Date().toISOString()} error ${plain(textOf(error))}\n`);
      const handler = adminHandler({ tripact, store, token: settings.token, stopping: stopping.signal, onError });
      const server = createServer({ headersTimeout: LIMITS.headersTimeoutMs, requestTimeout: LIMITS.requestTimeoutMs, connectionsCheckingInterval: LIMITS.checkEveryMs, keepAliveTimeout: LIMITS.keepAliveTimeoutMs }, handler);
      server.maxConnections = LIMITS.connectionsMax;
      const address = await listen(server, settings);
      if (!isLoopback(settings.host)) io.err(`tripact serve: ${settings.host} is not this machine alone, and the token travels readable: put TLS in front\n`);
      io.out(`tripact serve: ready on ${address}, journal at ${placeOf(settings.url)}\n`);
      const exit = await signalled;
      await close(server, tripact);
      io.out("tripact serve: stopped\n");
      return exit;
    } finally {
      await tripact.stop();
      await participants.close();
    }
  },
};

interface Settings {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly secret: string;
  readonly allowHosts: readonly string[] | undefined;
  readonly name: string;
  readonly durability: DurabilityLevel;
  readonly waitForStoreMs: number;
}

function settingsIn(args: Args, io: Io): Settings {
  const allowHosts = args.texts("allow-host");
  const onStandbyLost = args.oneOf("on-standby-lost", ["stop", "degrade"]);
  return {
    url: urlOf(args, io),
    host: args.text("host") ?? "127.0.0.1",
    port: args.whole("port", 8300, 0, 65_535),
    token: confidential("token", args, io),
    secret: confidential("secret", args, io),
    allowHosts: allowHosts.length === 0 ? undefined : allowHosts,
    name: args.text("name") ?? hostname(),
    durability: onStandbyLost === undefined ? "strict" : { replicated: { onStandbyLost } },
    waitForStoreMs: args.whole("wait-for-store-ms", 0, 0, 86_400_000),
  };
}

/** Participants by URL, each with its own pool of sockets, for as long as this process lives. */
class Participants {
  readonly #secret: string;
  readonly #allowHosts: readonly string[] | undefined;
  readonly #known = new Map<string, Participant>();

  constructor(secret: string, allowHosts: readonly string[] | undefined) {
    this.#secret = secret;
    this.#allowHosts = allowHosts;
    // A misspelt host is told at start, not when the first plan needs it.
    allowedHosts(allowHosts);
  }

  /** Undefined for what is no URL, or not allowed: a new plan is refused then, and a recovered one parks visibly. */
  resolve(target: string): Participant | undefined {
    const known = this.#known.get(target);
    if (known !== undefined) return known;
    if (!/^https?:/i.test(target) || this.#known.size >= LIMITS.participantsMax) return undefined;
    try {
      const transport = httpTransport({ url: target, secret: this.#secret, ...(this.#allowHosts === undefined ? {} : { allowHosts: this.#allowHosts }) });
      const participant: Participant = { kind: "saga", target, transport, guard: "barrier" };
      this.#known.set(target, participant);
      return participant;
    } catch (error) {
      if (error instanceof TripactError) return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ transport }) => transport.close()));
  }
}

async function listen(server: Server, { host, port }: Settings): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    throw new CommandError(EXIT.failed, `cannot listen on ${host}:${port}: ${textOf(error)}`);
  }
  const address = server.address();
  const bound: Pick<AddressInfo, "address" | "port"> = typeof address === "object" && address !== null ? address : { address: host, port };
  return `http://${isIP(bound.address) === 6 ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/** It still listens while the coordinator stops, so that a load balancer is told `not ready` and a late client 503 instead of silence. */
async function close(server: Server, tripact: Tripact): Promise<void> {
  await tripact.stop();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), LIMITS.goodbyeMs);
  await promise;
  clearTimeout(timer);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
