import { hostname } from "node:os";
import { plain } from "../../admin/wording.ts";
import { httpSink } from "../../brokers/http/index.ts";
import { TripactError } from "../../protocol/errors.ts";
import { createRelay, type RelayOptions } from "../../runtime/relay/relay.ts";
import { SUBSCRIPTION_DEFAULTS } from "../../runtime/relay/options.ts";
import { postgresOutboxLog } from "../../stores/postgres/outbox/log.ts";
import { placeOf } from "../../stores/postgres/outcome.ts";
import { usageError, type Args, type Command, type Io } from "../command.ts";
import { confidential } from "../confidential.ts";
import { lineOf } from "../notice-line.ts";
import { onSignals } from "../signals.ts";
import { storeHelp, storeOptions, urlOf, withRights } from "../store.ts";

export const command: Command = {
  usage: "--to URL --subscription NAME --source NAME --secret-file FILE [--topic TOPIC ...] [--allow-host HOST:PORT ...]",
  details: `${storeHelp}
  --to URL             the receiver: every message is POSTed there as a CloudEvent
  --subscription NAME  how far it has come is remembered under this name. A new one begins at the oldest message that is there
  --source NAME        names this outbox to receivers, such as shop/orders: (source, id) names a message everywhere. Never change it
  --secret-file FILE   signs the messages; or TRIPACT_SECRET. The receiver knows it too
  --topic TOPIC        only these, again for each; "order.*" stands for all that begin so. Default: all
  --allow-host H:PORT  a host that may be called, "name:port" or "name:*", again for each. Default: this machine only
  --workers N          deliveries at a time (default ${SUBSCRIPTION_DEFAULTS.workers}); a key is never in two of them
  --on-park hold|skip  what a parked message does to the later ones of its key (default ${SUBSCRIPTION_DEFAULTS.onPark})
  --preset source      20 workers, a queue of 1,000, 3 tries 5 to 15 s apart, then parked
  --timeout-ms N       for one answer (default ${SUBSCRIPTION_DEFAULTS.lockMs})
  --wake-from-wal      be woken by the write-ahead log, whoever writes the messages; what it needs is in docs/outbox-wal.md
  --name NAME          what tripact outbox status calls this relay (default: the host's name)

At least once, in order per key: a receiver remembers (source, id). What it has to answer is in docs/events-over-http.md. Start a
second one anywhere, and they share the keys and take over from each other. What fails is told on stderr: see tripact outbox list.
SIGTERM and SIGINT stop it gracefully: deliveries under way end, the rest is handed over. A second one exits at once.`,
  options: {
    ...storeOptions,
    to: { type: "string" },
    subscription: { type: "string" },
    source: { type: "string" },
    "secret-file": { type: "string" },
    topic: { type: "string", multiple: true },
    "allow-host": { type: "string", multiple: true },
    workers: { type: "string" },
    "on-park": { type: "string" },
    preset: { type: "string" },
    "timeout-ms": { type: "string" },
    "wake-from-wal": { type: "boolean" },
    name: { type: "string" },
  },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const url = urlOf(args, io);
    const options = optionsIn(args, io, url);
    const stopping = new AbortController();
    const start = { over: false };
    const signalled = onSignals("tripact relay", stopping, start, io);
    const relay = await createRelay(options).catch((error: unknown) => {
      throw withRights(error, url);
    });
    start.over = true;
    io.out(`tripact relay: ready, delivers the outbox at ${placeOf(url)} as ${args.text("subscription")} to ${args.text("to")}\n`);
    const exit = await signalled;
    await relay.stop();
    io.out("tripact relay: stopped\n");
    return exit;
  },
};

function optionsIn(args: Args, io: Io, url: string): RelayOptions {
  const [topics, allowHosts] = [args.texts("topic"), args.texts("allow-host")];
  const preset = args.oneOf("preset", ["source"]);
  const onPark = args.oneOf("on-park", ["hold", "skip"]);
  const workers = args.text("workers") === undefined ? undefined : args.whole("workers", 1, 1, 1_000);
  const timeoutMs = args.whole("timeout-ms", SUBSCRIPTION_DEFAULTS.lockMs, 1, 600_000);
  const sink = checked(() => httpSink({ url: needed(args, "to", "https://mailer.internal/events"), secret: confidential("secret", args, io), timeoutMs, ...(allowHosts.length === 0 ? {} : { allowHosts }) }));
  return {
    log: postgresOutboxLog({ url, wakeFromWal: args.flag("wake-from-wal") }),
    source: needed(args, "source", "shop/orders"),
    nodeName: args.text("name") ?? hostname(),
    onNotice: (notice) => io.err(`${lineOf(notice)}\n`),
    subscriptions: [
      {
        name: needed(args, "subscription", "mailer"),
        sink,
        // The sink gives up first and says why; this is the net below it.
        lockMs: timeoutMs + 1_000,
        ...(topics.length === 0 ? {} : { topics }),
        ...(preset === undefined ? {} : { preset }),
        ...(onPark === undefined ? {} : { onPark }),
        ...(workers === undefined ? {} : { workers }),
      },
    ],
  };
}

function needed(args: Args, name: string, example: string): string {
  const text = args.text(name);
  if (text === undefined || text === "") throw usageError(`something is missing: --${name}, such as ${example}`);
  return text;
}

/** A URL that may not be called is a mistake on the command line, and the hint names the option, not the library's. */
function checked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof TripactError && error.code === "host-not-allowed") throw usageError(`--to is not allowed: ${plain(error.message)} Say so with --allow-host name:port`);
    throw error;
  }
}
