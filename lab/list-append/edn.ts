/** A history as EDN, one operation a line, as Jepsen, Elle and elle-cli read it; and back again, to see that it is that. */
import type { MicroOp, Op, OpType } from "./history.ts";

export function ednOf({ index, type, process, value, timeNs, error }: Op): string {
  return `{:index ${index}, :type :${type}, :process ${process}, :f :txn, :value [${value.map(ednOfMicroOp).join(" ")}], :time ${timeNs}${error === undefined ? "" : `, :error ${JSON.stringify(plain(error))}`}}`;
}

/** The header is a comment, which every reader of EDN passes over. */
export function ednFile(history: readonly Op[], header: readonly string[]): string {
  return `${[...header.map((line) => `; ${plain(line)}`), ...history.map(ednOf)].join("\n")}\n`;
}

function ednOfMicroOp(op: MicroOp): string {
  if (op[0] === "append") return `[:append ${op[1]} ${op[2]}]`;
  return `[:r ${op[1]} ${op[2] === null ? "nil" : `[${op[2].join(" ")}]`}]`;
}

/** Printable ASCII: what JSON would escape otherwise, EDN escapes differently. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ");
}

/** `line` counts from 1. */
export class EdnError extends Error {
  readonly code = "not-a-history";
  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.name = "EdnError";
  }
}

/** A keyword is `{ keyword }`, a map is a Map by the names of its keywords: no more of EDN than a history has. */
type Edn = number | string | null | { readonly keyword: string } | readonly Edn[] | ReadonlyMap<string, Edn>;

/** Reads operation maps, one after the other or in one vector. @throws EdnError */
export function historyOf(text: string): readonly Op[] {
  const reader = new Reader(text);
  const found = reader.all();
  const [only] = found;
  const whole = found.length === 1 && Array.isArray(only) ? (only as readonly Edn[]) : found;
  return whole.map((form, index) => opOf(form, index));
}

const TYPES: readonly OpType[] = ["invoke", "ok", "fail", "info"];
const TOKEN = /[\s,]+|;[^\n]*|"(?:[^"\\]|\\.)*"|:[A-Za-z][\w-]*|-?\d+(?![\w.])|nil(?!\w)|[[\]{}]/y;
const DEPTH_MAX = 10;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  all(): readonly Edn[] {
    const forms: Edn[] = [];
    for (let token = this.#next(); token !== undefined; token = this.#next()) forms.push(this.#form(token, 0));
    return forms;
  }

  #form(token: string, depth: number): Edn {
    if (depth > DEPTH_MAX) throw this.#wrong("too deep for a history");
    if (token === "[") return this.#until("]", depth);
    if (token === "{") return this.#mapOf(this.#until("}", depth));
    if (token === "nil") return null;
    if (token.startsWith(":")) return { keyword: token.slice(1) };
    if (token.startsWith('"')) return JSON.parse(token) as string;
    const value = Number(token);
    if (!Number.isSafeInteger(value)) throw this.#wrong(`${token} where no such thing may stand`);
    return value;
  }

  #until(end: string, depth: number): readonly Edn[] {
    const forms: Edn[] = [];
    for (let token = this.#next(); token !== end; token = this.#next()) {
      if (token === undefined) throw this.#wrong(`it ends before its ${end}`);
      forms.push(this.#form(token, depth + 1));
    }
    return forms;
  }

  #mapOf(forms: readonly Edn[]): ReadonlyMap<string, Edn> {
    const map = new Map<string, Edn>();
    for (let at = 0; at < forms.length; at += 2) {
      const name = keywordOf(forms[at]);
      const value = forms[at + 1];
      if (name === undefined || value === undefined) throw this.#wrong("a map of keywords and values is needed");
      if (map.has(name)) throw this.#wrong(`:${name} twice`);
      map.set(name, value);
    }
    return map;
  }

  /** Passes over space, commas and comments. */
  #next(): string | undefined {
    while (this.#at < this.#text.length) {
      TOKEN.lastIndex = this.#at;
      const token = TOKEN.exec(this.#text)?.[0];
      if (token === undefined) throw this.#wrong(`${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))} is not understood`);
      this.#at += token.length;
      if (!/^[\s,;]/.test(token)) return token;
    }
    return undefined;
  }

  #wrong(problem: string): EdnError {
    return new EdnError(this.#text.slice(0, this.#at).split("\n").length, problem);
  }
}

function keywordOf(form: Edn | undefined): string | undefined {
  return typeof form === "object" && form !== null && "keyword" in form ? form.keyword : undefined;
}

function opOf(form: Edn, place: number): Op {
  const wrong = (what: string): EdnError => new EdnError(place + 1, `operation ${place}: ${what}`);
  if (!(form instanceof Map)) throw wrong("a map is needed");
  const map = form as ReadonlyMap<string, Edn>;
  const whole = (name: string): number => {
    const value = map.get(name);
    if (typeof value !== "number" || value < 0) throw wrong(`:${name} is a whole number from 0`);
    return value;
  };
  const type = TYPES.find((name) => name === keywordOf(map.get("type")));
  if (type === undefined) throw wrong(`:type is one of ${TYPES.join(", ")}`);
  if (keywordOf(map.get("f")) !== "txn") throw wrong(":f is :txn");
  const value = map.get("value");
  if (!Array.isArray(value) || value.length === 0) throw wrong(":value is a vector of micro-operations");
  const error = map.get("error");
  const index = whole("index");
  if (index !== place) throw wrong(`:index is ${index}`);
  return {
    index, type, process: whole("process"), timeNs: whole("time"), ...(typeof error === "string" ? { error } : {}),
    value: (value as readonly Edn[]).map((each) => microOpOf(each) ?? raise(wrong("[:append key element] or [:r key list] is needed"))),
  };
}

function microOpOf(form: Edn): MicroOp | undefined {
  if (!Array.isArray(form) || form.length !== 3) return undefined;
  const [name, key, what] = form as readonly Edn[];
  if (typeof key !== "number") return undefined;
  if (keywordOf(name) === "append") return typeof what === "number" ? ["append", key, what] : undefined;
  if (keywordOf(name) !== "r") return undefined;
  if (what === null) return ["r", key, null];
  return Array.isArray(what) && what.every((element) => typeof element === "number") ? ["r", key, what] : undefined;
}

function raise(error: Error): never {
  throw error;
}
