import { TripactError } from "../../protocol/errors.ts";

/**
 * An attribute's value as a header's, by CloudEvents' HTTP binding 1.0.2, 3.1.3.2: space, double quote, percent sign and everything outside
 * printable ASCII are percent-encoded as UTF-8. Throws a `URIError` for a lone surrogate, which UTF-8 cannot say.
 */
export function encodeAttribute(value: string): string {
  return value.replace(/[^\x21\x23\x24\x26-\x7e]+/g, encodeURIComponent);
}

/** The other way: unquotes what an older sender may have quoted, then decodes once. Throws `invalid-input` for what is not UTF-8. */
export function decodeAttribute(name: string, value: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1];
  try {
    return decodeURIComponent(quoted === undefined ? value : quoted.replace(/\\(.)/g, "$1"));
  } catch {
    throw new TripactError("invalid-input", "This attribute is not percent-encoded UTF-8.", { where: `ce-${name}` });
  }
}

/** The attribute that carries the headers of a message which cannot be attributes themselves: a JSON object of texts, in ASCII. */
export const REST = "tripactheaders";

const RESERVED = new Set(["id", "source", "specversion", "type", "subject", "time", "datacontenttype", "dataschema", "data", REST]);
const NAME = /^[a-z0-9]{1,20}$/;
// What a CloudEvents string may not hold, and the empty one, which SDKs drop.
const NO_STRING = /^$|[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** A message's headers as extension attributes: each by its own name where CloudEvents allows name and value, the others in `REST`. */
export function extensionsOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  const isAttribute = ([name, value]: [string, string]): boolean => NAME.test(name) && !RESERVED.has(name) && !NO_STRING.test(value);
  const { own = [], rest = [] } = Object.groupBy(Object.entries(headers), (header) => (isAttribute(header) ? "own" : "rest"));
  const extensions: Record<string, string> = Object.fromEntries(own);
  if (rest.length > 0) extensions[REST] = inAscii(JSON.stringify(Object.fromEntries(rest)));
  return extensions;
}

/** The headers again. Throws `invalid-input` for a `REST` that is not what `extensionsOf` makes. */
export function headersOf({ [REST]: rest, ...own }: Readonly<Record<string, string>>): Record<string, string> {
  if (rest === undefined) return own;
  let members: unknown;
  try {
    members = JSON.parse(rest);
  } catch {
    throw unreadable();
  }
  if (typeof members !== "object" || members === null || Array.isArray(members)) throw unreadable();
  const entries = Object.entries(members).map(([name, value]: [string, unknown]): [string, string] => {
    if (typeof value !== "string") throw unreadable();
    return [name, value];
  });
  return Object.fromEntries([...Object.entries(own), ...entries]);
}

/** JSON text without a character that some header, log or database refuses. */
function inAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function unreadable(): TripactError {
  return new TripactError("invalid-input", "This is not a JSON object of texts.", { where: `ce-${REST}` });
}
