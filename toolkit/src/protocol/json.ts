import { createHash } from "node:crypto";
import { TripactError } from "./errors.ts";

/** What can be journaled and sent. Results may also be `undefined` (a void step). */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Maps a type to itself where it survives JSON, and to `never` where it would not (Date, bigint, functions, symbols). */
export type Jsonable<T> = T extends string | number | boolean | null | undefined | void
  ? T
  : T extends bigint | symbol | ((...args: never[]) => unknown) | Date | Map<unknown, unknown> | Set<unknown> | Promise<unknown>
    ? never
    : T extends readonly (infer Item)[]
      ? readonly Jsonable<Item>[]
      : T extends object
        ? { [K in keyof T]: Jsonable<T[K]> }
        : never;

/**
 * No demand on a value of type `T` that survives JSON (`T & MustBeJson<T>` is `T`), `never` on any other. Where `T` is inferred from that
 * value, this one infers `number` from a 7; `T & Jsonable<T>` would keep the literal.
 */
export type MustBeJson<T> = [T] extends [Jsonable<T>] ? unknown : never;

export const DEFAULT_PAYLOAD_BYTES_MAX = 1_048_576;

/** Deeper values would overflow the stack of whoever walks them next; no honest payload comes near. */
export const NESTING_MAX = 500;

/**
 * Serialises input at the door: refuses whatever JSON would lose or choke on (cycles, bigint, functions, `undefined` members,
 * NaN, built-in objects without a JSON form such as Map, Date and Error), what is nested too deep, and whatever is over `bytesMax`.
 */
export function encodeInput(value: unknown, where: string, bytesMax = DEFAULT_PAYLOAD_BYTES_MAX): string {
  refuseWhatJsonLoses(value, where, new Set());
  return bounded(JSON.stringify(value), where, bytesMax);
}

/** Serialises a step's result: `undefined` members are dropped, everything else that JSON would lose is refused. */
export function encodeResult(value: unknown, where: string, bytesMax = DEFAULT_PAYLOAD_BYTES_MAX): string | undefined {
  if (value === undefined) return undefined;
  let text: string | undefined;
  try {
    refuseWhatJsonLoses(value, where, new Set(), true);
    text = JSON.stringify(value);
    if (text === undefined) return undefined;
  } catch (error) {
    if (error instanceof TripactError) throw error;
    throw new TripactError("invalid-input", "This value is not JSON.", { where, cause: error });
  }
  return bounded(text, where, bytesMax);
}

/** What of a refusal's details can be journaled: all or nothing. The refusal stands either way. */
export function journaledDetails(details: unknown, bytesMax = DEFAULT_PAYLOAD_BYTES_MAX): { readonly details?: Json } {
  try {
    const text = encodeResult(details, "details of a refusal", bytesMax);
    return text === undefined ? {} : { details: JSON.parse(text) as Json };
  } catch {
    return {};
  }
}

/** For code that may change what it is given: the journal's own value stays as it is. */
export function copyOf<T extends Json | undefined>(value: T): T {
  return typeof value === "object" && value !== null ? (JSON.parse(JSON.stringify(value)) as T) : value;
}

/** SHA-256 over canonical JSON (RFC 8785): two inputs are the same when their fingerprints are. */
export function fingerprint(value: Json | undefined): string {
  return createHash("sha256").update(canonical(value) ?? "").digest("base64url");
}

/** RFC 8785, but for lone surrogates: there it is an error, here they are escaped as `JSON.stringify` does, for the door lets them in. */
function canonical(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (hasOwnForm(value)) return canonical(value.toJSON());
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item) ?? "null").join(",")}]`;
  const members = Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, member]) => {
      const text = canonical(member);
      return text === undefined ? [] : [`${JSON.stringify(key)}:${text}`];
    });
  return `{${members.join(",")}}`;
}

function bounded(text: string, where: string, bytesMax: number): string {
  // A UTF-16 unit is at most 3 bytes of UTF-8: short texts need no counting.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return text;
  throw new TripactError("too-large", `This value has ${bytes} bytes as JSON, the limit is ${bytesMax}.`, {
    where,
    hint: "Store it elsewhere and pass a reference, or raise payloadBytesMax.",
  });
}

function refuseWhatJsonLoses(value: unknown, where: string, above: Set<object>, dropUndefined = false): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw notJson(`${value} is not a JSON number`, where);
    case "undefined":
      if (dropUndefined) return;
      throw notJson("undefined would vanish", where);
    case "object":
      break;
    case "bigint":
    case "function":
    case "symbol":
      throw notJson(`a ${typeof value} has no JSON form`, where);
  }
  if (value === null) return;
  if (above.has(value)) throw notJson("it contains itself", where);
  if (above.size >= NESTING_MAX) throw notJson(`it is nested more than ${NESTING_MAX} levels deep`, where);
  above.add(value);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseWhatJsonLoses(item, `${where}[${index}]`, above);
  } else if (isBuiltIn(value)) {
    throw notJson(`a ${value.constructor.name} would not come back as one`, where);
  } else if (hasOwnForm(value)) {
    refuseWhatJsonLoses(value.toJSON(), where, above, dropUndefined);
  } else {
    for (const [key, member] of Object.entries(value)) refuseWhatJsonLoses(member, `${where}.${key}`, above, dropUndefined);
  }
  above.delete(value);
}

function hasOwnForm(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function isBuiltIn(value: object): boolean {
  return (
    value instanceof Map ||
    value instanceof Set ||
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof Promise ||
    value instanceof Error ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value)
  );
}

function notJson(why: string, where: string): TripactError {
  return new TripactError("invalid-input", `This value is not JSON: ${why}.`, { where });
}
