/** Posts what was decided, signed, again and again until somebody takes it. Nobody waits here for one that is not taken. */
import { Agent, request } from "undici";
import { sign } from "./signature.ts";

export interface Callback {
  readonly url: string;
  readonly body: { readonly key: string; readonly state: string };
}

export interface CallbacksOptions {
  readonly secret: string;
  readonly onError: (error: unknown) => void;
  readonly baseMs?: number;
  readonly capMs?: number;
  readonly timeoutMs?: number;
  readonly queueMax?: number;
}

interface Post extends Callback {
  tries: number;
}

/** Where the way there and back takes 400 ms, 160 a second. */
const POSTS_AT_ONCE = 64;

export class Callbacks {
  readonly #options: Required<CallbacksOptions>;
  readonly #agent: Agent;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #ready: Post[] = [];
  readonly #posting = new Set<Promise<void>>();
  #open = 0;
  #failing = false;
  #stopped = false;

  constructor({ baseMs = 50, capMs = 1_000, timeoutMs = 2_000, queueMax = 100_000, ...rest }: CallbacksOptions) {
    this.#options = { baseMs, capMs, timeoutMs, queueMax, ...rest };
    this.#agent = new Agent({ connections: POSTS_AT_ONCE, connect: { timeout: timeoutMs }, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

  /** Not yet taken. */
  get open(): number {
    return this.#open;
  }

  /** Beyond the queue's bound a callback is lost, as some are in life: whoever waits looks the charge up. */
  send(callback: Callback, afterMs: number): void {
    if (this.#stopped) return;
    if (this.#open >= this.#options.queueMax) return this.#options.onError(new Error(`${this.#open} callbacks wait already; the one for ${callback.body.key} is dropped`));
    this.#open += 1;
    this.#later({ ...callback, tries: 0 }, afterMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#ready.length = 0;
    await this.#agent.destroy();
    await Promise.all(this.#posting);
  }

  #later(post: Post, afterMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#ready.push(post);
      this.#pump();
    }, afterMs);
    this.#timers.add(timer);
  }

  #pump(): void {
    while (!this.#stopped && this.#posting.size < POSTS_AT_ONCE) {
      const post = this.#ready.shift();
      if (post === undefined) return;
      const posting = this.#post(post).finally(() => {
        this.#posting.delete(posting);
        this.#pump();
      });
      this.#posting.add(posting);
    }
  }

  async #post(post: Post): Promise<void> {
    try {
      await this.#try(post);
      this.#open -= 1;
      this.#failing = false;
    } catch (error) {
      if (this.#stopped) return;
      // Told once a streak: a receiver that is down for a minute is one piece of news.
      if (!this.#failing) this.#options.onError(error);
      this.#failing = true;
      post.tries += 1;
      this.#later(post, Math.min(this.#options.capMs, this.#options.baseMs * 2 ** Math.min(post.tries - 1, 20)));
    }
  }

  async #try({ url, body }: Post): Promise<void> {
    const text = JSON.stringify(body);
    const { statusCode, body: answer } = await request(url, {
      dispatcher: this.#agent,
      method: "POST",
      // Signed anew each time: it is the try that must not be old.
      headers: { "content-type": "application/json", ...sign(this.#options.secret, text, Date.now()) },
      body: text,
      signal: AbortSignal.timeout(this.#options.timeoutMs),
    });
    await answer.dump();
    if (statusCode < 200 || statusCode > 299) throw new Error(`the callback for ${body.key} was answered ${statusCode}`);
  }
}
