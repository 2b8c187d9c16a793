/** Asking another service: an answer, a typed no to the question itself, or an unknown end. Every wait has a limit. */
import { Pool } from "undici";
import type { Questions } from "./door.ts";
import { Turns } from "./turns.ts";

/** Nobody knows whether it was done: the connection broke, the answer took too long, the service failed. Ask again, under the same key. */
export class Unknown extends Error {
  readonly code = "unknown";
  constructor(path: string, cause: unknown) {
    super(`${path}: nobody knows how it ended`, { cause });
    this.name = "Unknown";
  }
}

/** The question was wrong, or not ours to ask. Known to have had no effect. */
export class NotTaken extends Error {
  readonly code = "not-taken";
  readonly status: number;
  constructor(path: string, status: number, message: string) {
    super(`${path}: ${status} ${message}`);
    this.name = "NotTaken";
    this.status = status;
  }
}

export interface Asking<Door extends Questions<Door>> {
  ask<Path extends keyof Door & string>(path: Path, question: Door[Path]["asks"], options?: { readonly timeoutMs?: number }): Promise<Door[Path]["answers"]>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 1_000;

/** A client of one door. `origin`: as `http://127.0.0.1:4000`. */
export function asking<Door extends Questions<Door>>(origin: string, token: string, { connections = 16 }: { readonly connections?: number } = {}): Asking<Door> {
  const pool = new Pool(origin, { connections, connect: { timeout: CONNECT_TIMEOUT_MS }, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS, keepAliveTimeout: 30_000 });
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  return {
    async ask(path, question, { timeoutMs = TIMEOUT_MS } = {}) {
      try {
        const { statusCode, body } = await pool.request({ path, method: "POST", headers, body: JSON.stringify(question), signal: AbortSignal.timeout(timeoutMs) });
        const text = await body.text();
        if (statusCode === 200) return JSON.parse(text) as Door[typeof path]["answers"];
        if (statusCode >= 400 && statusCode < 500) throw new NotTaken(path, statusCode, text);
        throw new Error(`status ${statusCode}`);
      } catch (error) {
        throw error instanceof NotTaken ? error : new Unknown(path, error);
      }
    },
    close: () => pool.destroy(),
  };
}

/** One of several that answer alike: the next one is asked where the outcome of the first is unknown. Only for questions that may be asked twice. */
export function askingAny<Door extends Questions<Door>>(origins: readonly string[], token: string, options?: { readonly connections?: number }): Asking<Door> {
  const all = origins.map((origin) => asking<Door>(origin, token, options));
  const turns = new Turns(all.length);
  return {
    async ask(path, question, { timeoutMs: usualMs = TIMEOUT_MS } = {}) {
      let failure: unknown = new Unknown(path, "nobody to ask");
      for (const { index, timeoutMs, answered, silent } of turns.of(usualMs)) {
        const one = all[index];
        if (one === undefined) continue;
        try {
          const answer = await one.ask(path, question, { timeoutMs });
          answered();
          return answer;
        } catch (error) {
          if (!(error instanceof Unknown)) {
            answered();
            throw error;
          }
          silent();
          failure = error;
        }
      }
      throw failure;
    },
    close: async () => void (await Promise.all(all.map((one) => one.close()))),
  };
}
