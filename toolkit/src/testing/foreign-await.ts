import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { fileURLToPath } from "node:url";
import type { Saga } from "../flow/saga.ts";
import type { Flow, Tx } from "../flow/tx.ts";
import { FlowRun } from "../flow/run.ts";
import type { Json } from "../protocol/json.ts";

/**
 * A flow waits for something that is not `tx.*`: a timer, a request, a file. After a crash nobody could give it the same answer again, so
 * it belongs into a step.
 */
export class ForeignAwait extends Error {
  /** `file:line:column` where it began to wait, or the last step before it where that is not known. */
  readonly place: string;

  constructor(saga: string, place: string) {
    super(`The flow ${saga} awaits something that is not tx.* (${place}). Do it inside a step, or use tx.sleep, tx.now, tx.uuid, tx.random.`);
    this.name = "ForeignAwait";
    this.place = place;
  }
}

interface Watched {
  /** `tx.*` promises that the flow may be waiting for. */
  waiting: number;
  finished: boolean;
  after: string;
  /** Where the flow last began something asynchronous of its own. */
  begun: string | undefined;
  readonly isDead: () => boolean;
}

const OWN_FOLDER = fileURLToPath(new URL(".", import.meta.url));
const HARMLESS = new Set(["PROMISE", "TickObject", "Microtask"]);

/** Watches the runs of a flow: whenever all microtasks are done, each must have ended or be waiting for `tx.*`. */
export class ForeignAwaits {
  readonly #saga: string;
  readonly #runs: Watched[] = [];
  readonly #inFlow = new AsyncLocalStorage<Watched>();
  readonly #hook = createHook({
    init: (_id, type) => {
      const run = this.#inFlow.getStore();
      if (run !== undefined && !HARMLESS.has(type)) run.begun = placeOf(new Error().stack) ?? run.begun;
    },
  });

  constructor(saga: string) {
    this.#saga = saga;
  }

  start(): void {
    this.#hook.enable();
  }

  stop(): void {
    this.#hook.disable();
  }

  /** The same definition, with every run of it watched. */
  watch<In, Out>(saga: Saga<In, Out>, isDead: () => boolean): Saga<In, Out> {
    const flow: Flow<In, Out> = (tx, input) => {
      const run: Watched = { waiting: 0, finished: false, after: "before its first step", begun: undefined, isDead };
      this.#runs.push(run);
      return this.#inFlow.run(run, async () => {
        try {
          return await saga.flow(watchedTx(tx, run), input);
        } finally {
          run.finished = true;
        }
      });
    };
    return { ...saga, flow, drive: (input: Json, host) => new FlowRun((tx) => flow(tx, input as In), host) };
  }

  /** Throws `ForeignAwait` if some run waits for nothing that will come. Only to be asked when no microtask is pending. */
  check(): void {
    for (const run of this.#runs) {
      if (!run.finished && run.waiting === 0 && !run.isDead()) throw new ForeignAwait(this.#saga, run.begun ?? run.after);
    }
  }
}

function watchedTx(tx: Tx, run: Watched): Tx {
  return new Proxy(tx, {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver);
      if (typeof value !== "function") return value;
      return (...rest: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, rest);
        if (!(result instanceof Promise)) return result;
        run.waiting += 1;
        const settled = (): void => {
          run.waiting -= 1;
          run.after = `after ${String(property)} ${typeof rest[0] === "string" ? rest[0] : ""}`.trimEnd();
        };
        // First in the line: when the flow goes on, this one is not counted any more.
        result.then(settled, settled);
        return result;
      };
    },
  });
}

/** The first frame that is neither Node's nor the kit's. */
function placeOf(stack: string | undefined): string | undefined {
  for (const line of (stack ?? "").split("\n").slice(1)) {
    const place = /(?:\(|at |async )((?:file:|\/|[A-Za-z]:\\)[^()]*:\d+:\d+)\)?$/.exec(line)?.[1];
    if (place === undefined) continue;
    const path = place.startsWith("file:") ? place.replace(/^file:\/\//, "") : place;
    if (!path.startsWith(OWN_FOLDER) || /\.test\.[jt]s:/.test(path)) return path;
  }
  return undefined;
}
