import { TripactError, textOf } from "../../protocol/errors.ts";

/** When an error struck: before the statement could have reached the server, or after. */
export type Moment = "connecting" | "reading" | "writing";

/**
 * What an error says about the statement that met it: surely nothing was written (`store-unreachable`), the data is at fault
 * (`store-bad-row`), or nobody knows (`store-unknown`). An error that the server reported has rolled its statement back; only a
 * session that ended without a word leaves a doubt. What fits nowhere is a bug of ours and stays as it is.
 */
export function outcomeOf(error: unknown, moment: Moment, place: string): unknown {
  if (error instanceof TripactError) return error;
  const state = sqlStateOf(error);
  if (moment === "connecting") return unreachable(`No connection to Postgres: ${wordsOf(error)}.`, place, error);
  if (state === undefined || endsSession(state)) {
    if (moment === "reading") return unreachable(`The connection to Postgres was lost: ${wordsOf(error)}.`, place, error);
    return new TripactError("store-unknown", `The connection to Postgres was lost before the reply: ${wordsOf(error)}.`, {
      where: place,
      hint: "The write may have been committed; write it again under the same flush id to find out.",
      cause: error,
    });
  }
  if (state === "42P01" || state === "3F000" || state === "42703") return schemaMissing(place, error);
  if (isTransient(state)) return unreachable(`Postgres rolled the statement back: ${wordsOf(error)}.`, place, error);
  if (isAboutTheData(state)) {
    return new TripactError("store-bad-row", `Postgres refuses this data: ${wordsOf(error)}.`, { where: place, cause: error });
  }
  return error;
}

/** What the driver or the server said, without what we have put around it, and without a full stop: for a sentence of ours. */
export function wordsOf(error: unknown): string {
  if (error instanceof TripactError && error.cause !== undefined) return wordsOf(error.cause);
  return textOf(error).replace(/\.+$/, "");
}

export function sqlStateOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^[0-9A-Z]{5}$/.test(error.code) && !error.code.startsWith("E") ? error.code : undefined;
}

/** The session is over: connection exceptions, shutdown, a crash, a terminated backend. */
export function endsSession(state: string): boolean {
  return state.startsWith("08") || state.startsWith("57P");
}

/**
 * The session is of no more use although it may live: a demoted or read-only server, a plan that outlived its table, a transaction that
 * idled too long, prepared statements that are not the ones we know of.
 */
export function spoilsSession(state: string): boolean {
  return ["25006", "0A000", "25P03", "25P04", "26000", "42P05"].includes(state);
}

export function schemaMissing(place: string, cause?: unknown): TripactError {
  return new TripactError("schema-mismatch", "The schema tripact is missing or incomplete in this database.", {
    where: place,
    hint: "Run `npx tripact migrate`.",
    cause,
  });
}

export function unreachable(what: string, place: string, cause?: unknown): TripactError {
  return new TripactError("store-unreachable", what, { where: place, hint: "Nothing was written.", cause });
}

// Serialization failure, deadlock, lock timeout or an object in use, cancelled, out of resources, disk trouble, an internal error, a right
// that somebody took away. Some need a person; until then the batch is tried again, and what it holds is not dropped.
function isTransient(state: string): boolean {
  return /^(40|53|55|58|XX)/.test(state) || state === "57014" || state === "42501" || spoilsSession(state);
}

// Wrong data, broken constraints, limits of a row or a statement.
function isAboutTheData(state: string): boolean {
  return /^(22|23|54)/.test(state);
}

/** `host:port/database` of a connection string, for messages: never its user, never its password. */
export function placeOf(url: string): string {
  if (!URL.canParse(url)) return "an unreadable connection string";
  const { hostname, port, pathname } = new URL(url);
  return `${hostname === "" ? "localhost" : hostname}:${port === "" ? "5432" : port}${pathname}`;
}
