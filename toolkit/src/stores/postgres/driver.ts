import { TripactError } from "../../protocol/errors.ts";

/**
 * The part of `pg` (8.11 or later) that the store uses, by shape: the toolkit neither bundles the driver nor its type package.
 * `import pg from "pg"` fits.
 */
export interface PgModule {
  readonly Client: new (config: PgConfig) => PgClient;
}

export interface PgConfig {
  readonly connectionString: string;
  readonly connectionTimeoutMillis: number;
  readonly application_name: string;
  readonly keepAlive: boolean;
  /** A session that may also stream the write-ahead log of its database. */
  readonly replication?: "database";
}

export interface PgClient {
  /** The backend's process id as the server announced it when the session began. */
  readonly processID?: number | null;
  /** What the driver itself speaks through: there alone are the messages of a copy in both directions. */
  readonly connection?: PgWire;
  connect(): Promise<unknown>;
  query(statement: { name?: string; text: string; values?: unknown[] }): Promise<PgResult>;
  end(): Promise<void>;
  /** Its socket no longer keeps the process alive. */
  unref?(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "notice", listener: (notice: PgNotice) => void): unknown;
  on(event: "notification", listener: (notification: PgNotification) => void): unknown;
}

export interface PgWire {
  on(event: "replicationStart", listener: () => void): unknown;
  on(event: "copyData", listener: (message: { readonly chunk: Buffer }) => void): unknown;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

export interface PgResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
  readonly command: string;
}

export interface PgNotice {
  readonly message?: string | undefined;
  /** The server's source function: the one part of a notice that no locale translates. */
  readonly routine?: string | undefined;
}

export interface PgNotification {
  readonly processId: number;
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** Loads the optional peer when nobody gave its shape. */
export async function loadPg(): Promise<PgModule> {
  try {
    const loaded: unknown = await import("pg");
    return moduleIn(loaded) ?? missing("pg was loaded, but it has no Client.");
  } catch (error) {
    if (error instanceof TripactError) throw error;
    return missing("The Postgres store needs the package pg.", error);
  }
}

function missing(what: string, cause?: unknown): never {
  throw new TripactError("invalid-option", what, { where: "pg", hint: "Install it (`npm install pg`) or pass it: postgresStore({ url, pg }).", cause });
}

// Newer versions export Client by name, older ones only inside the default export.
function moduleIn(loaded: unknown): PgModule | undefined {
  if (isPgModule(loaded)) return loaded;
  const inner = typeof loaded === "object" && loaded !== null && "default" in loaded ? loaded.default : undefined;
  return isPgModule(inner) ? inner : undefined;
}

function isPgModule(value: unknown): value is PgModule {
  return (typeof value === "object" || typeof value === "function") && value !== null && "Client" in value && typeof value.Client === "function";
}
