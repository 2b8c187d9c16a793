import { importsOf } from "../imports.ts";
import type { Import } from "../imports.ts";
import { isTest } from "../tree.ts";
import type { Rule } from "../tree.ts";

/** Who may see whom: a file that a law `binds` has no import that it `forbids`. A type import counts, for it is knowledge too. */
type Law = {
  readonly name: string;
  readonly because: string;
  readonly binds: (from: string) => boolean;
  readonly forbids: (found: Import) => boolean;
};

const under = (...folders: string[]) => (path: string): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

/** A test puts parts together on purpose, so most laws bind only what ships. */
const shipped = (binds: (path: string) => boolean) => (path: string): boolean => binds(path) && !isTest(path);

// What a plural folder itself says: its port, and shapes that the port speaks of. Everything else in there is an adapter.
const ports = /^toolkit\/src\/(stores\/(store|sql|outbox-log)|brokers\/broker|transports\/(transport|participant|call-headers))\.ts$/;

/** `stores/postgres/flush.ts` → `stores/postgres`, `stores/memory.ts` → `stores/memory`, the port → undefined. */
function adapterOf(path: string): string | undefined {
  if (ports.test(path) || isTest(path)) return undefined;
  return /^toolkit\/src\/((?:stores|brokers|transports)\/[^/]+?)(?:\.ts$|\/)/.exec(path)?.[1];
}

/** True for an import that ends in one of these folders, or in a package of that name. */
const reaches = (...folders: string[]) => ({ target }: Import): boolean => under(...folders)(target);

const laws: readonly Law[] = [
  {
    name: "the protocol is pure",
    because: "the same code runs live, in replay and in the simulator",
    binds: shipped(under("toolkit/src/protocol")),
    forbids: (found) => !reaches("toolkit/src/protocol", "node:crypto")(found),
  },
  {
    name: "the runtime knows ports, never adapters",
    because: "a new store or transport must not touch the coordinator",
    binds: shipped(under("toolkit/src/runtime", "toolkit/src/admin")),
    forbids: ({ target }) => adapterOf(target) !== undefined,
  },
  {
    name: "an adapter knows its port, not its neighbours",
    because: "what two adapters share belongs above the port",
    binds: (from) => adapterOf(from) !== undefined,
    forbids: ({ from, target }) => {
      const other = adapterOf(target);
      return under("toolkit/src/runtime")(target) || (other !== undefined && other !== adapterOf(from));
    },
  },
  {
    name: "the wire knows neither ports nor adapters",
    because: "signing, limits and allowed hosts are the same whatever is sent over HTTP",
    binds: shipped(under("toolkit/src/wire")),
    forbids: (found) => found.specifier.startsWith(".") && !reaches("toolkit/src/wire", "toolkit/src/protocol")(found),
  },
  {
    name: "a flow knows no store",
    because: "what a user writes must not depend on where it is kept",
    binds: shipped(under("toolkit/src/flow")),
    // `tx.sql` hands the user a transaction, whose shape is in stores/sql.ts and speaks of no store.
    forbids: ({ target }) =>
      (under("toolkit/src/stores")(target) && target !== "toolkit/src/stores/sql.ts") || adapterOf(target) !== undefined,
  },
  {
    name: "a choreography knows neither coordinator nor adapter",
    because: "its services have no coordinator, and whatever carries the events and runs the SQL is the caller's",
    binds: shipped(under("toolkit/src/choreography")),
    forbids: (found) =>
      under("toolkit/src/runtime", "toolkit/src/flow", "toolkit/src/admin")(found.target) || adapterOf(found.target) !== undefined,
  },
  {
    name: "the toolkit stands alone",
    because: "it is published without the rest of the workspace",
    binds: shipped(under("toolkit/src")),
    forbids: reaches("flash-sale", "lab", "console", "bench", "examples", "tidy", "@tripact"),
  },
  {
    name: "nothing that ships imports the testbed",
    because: "real servers are for tests, the simulator and the bench",
    binds: shipped((from) => /^(?!testbed\/)[^/]+\/src\//.test(from)),
    forbids: reaches("testbed", "@tripact/testbed"),
  },
  {
    name: "the flash sale enters by tripact's public doors",
    because: "it is the proof that a user can",
    binds: under("flash-sale"),
    forbids: ({ specifier, target }) => specifier.startsWith(".") && under("toolkit")(target),
  },
  {
    name: "the lab shares no code with what it judges",
    because: "a shared mistake would acquit itself",
    binds: under("lab"),
    forbids: reaches("toolkit", "flash-sale", "tripact"),
  },
  {
    name: "a checker sees only the history",
    because: "a verdict must be repeatable from the recorded evidence",
    binds: shipped((from) => /(^|\/)checkers\//.test(from)),
    forbids: ({ target }) => !/(^|\/)(checkers|history)(\/|\.ts$)/.test(target),
  },
  {
    name: "the console sees only HTTP",
    because: "it runs in a browser, and against any version of the server",
    binds: shipped(under("console/src")),
    forbids: (found) =>
      found.specifier.startsWith("node:") || reaches("toolkit", "flash-sale", "lab", "testbed", "tripact", "pg")(found),
  },
];

export const importLaws: readonly Rule[] = laws.map((law) => ({
  name: law.name,
  check: (tree) =>
    importsOf(tree)
      .filter((found) => law.binds(found.from) && law.forbids(found))
      .map(({ from, line, target }) => ({ path: from, line, says: `imports ${target}; ${law.because}` })),
}));
