import type { Json } from "../protocol/json.ts";
import type { Answer, Op } from "../protocol/outcome.ts";

/** What a scripted answer may depend on. */
export interface Asked {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  readonly key: string;
  readonly attempt: number;
  /** Of the forward op, for the second phase; absent when its outcome is unknown. */
  readonly forwardResult?: Json | undefined;
}

/** Answers in the place of a branch's own code. */
export type Scripted = (asked: Asked) => Answer | Promise<Answer>;

/**
 * Answers by the name of the branch. One for all: it answers the forward op, and whatever follows is done. Or one per op. A branch or an
 * op without an answer runs its own code.
 *
 *     { reserve: answers.done({ id: 7 }), pay: { try: answers.done(), confirm: answers.inOrder(answers.unknown(), answers.done()) } }
 */
export type Given = { readonly [branch: string]: Scripted | { readonly [op in Op]?: Scripted } };

/** The answers that a participant can give. */
export const answers = {
  done: (result?: Json): Scripted => always(result === undefined ? { kind: "done" } : { kind: "done", result }),
  refused: (code: string, details?: Json): Scripted => always(details === undefined ? { kind: "refused", code } : { kind: "refused", code, details }),
  /** A reset, a 5xx, a crash: nobody knows whether it happened. */
  unknown: (error = "no answer"): Scripted => always({ kind: "unknown", code: "threw", error }),
  pending: (retryAfterMs = 1_000): Scripted => always({ kind: "pending", retryAfterMs }),
  pause: (reason: string): Scripted => always({ kind: "pause", reason }),
  /** Never answers: the op runs into its timeout. */
  silent: (): Scripted => () => new Promise<never>(() => undefined),
  /** One after the other for each branch and op; the last one again and again. */
  inOrder: (first: Scripted, ...more: readonly Scripted[]): Scripted => {
    const asked = new Map<string, number>();
    const all = [first, ...more];
    return (context) => {
      const at = `${context.key}/${context.op}`;
      const index = asked.get(at) ?? 0;
      asked.set(at, index + 1);
      return (all[index] ?? all.at(-1) ?? first)(context);
    };
  },
} as const;

/** The script for one op, if there is one. */
export function scriptFor(given: Given, branch: string, op: Op): Scripted | undefined {
  const script = given[branch];
  if (script === undefined) return undefined;
  if (typeof script !== "function") return script[op];
  return op === "action" || op === "try" ? script : answers.done();
}

function always(answer: Answer): Scripted {
  return () => answer;
}
