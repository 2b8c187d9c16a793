/** What a person's decision would do: asked of the protocol itself, before anything is written. Pure. */
import { textOf } from "../protocol/errors.ts";
import { evolve } from "../protocol/evolve.ts";
import { askedOp, type Transaction } from "../protocol/transaction.ts";
import { canDecide, type Letter } from "../runtime/letters.ts";
import { outcomeOf, type TransactionOutcome } from "../runtime/outcome.ts";

export type Decision = Extract<Letter, { kind: "decide" }>;

export type Preview =
  | { readonly kind: "possible"; readonly before: TransactionOutcome; readonly after: TransactionOutcome }
  | { readonly kind: "impossible"; readonly why: string };

export function previewOf(gid: string, state: Transaction, decision: Decision): Preview {
  const { kind: _, ...decided } = decision;
  if (!canDecide(decision.branch, decision.verdict, state)) return { kind: "impossible", why: whyNot(state, decision) };
  try {
    const after = evolve(state, { kind: "operator-decided", ...decided });
    return { kind: "possible", before: outcomeOf(gid, state), after: outcomeOf(gid, after) };
  } catch (error) {
    return { kind: "impossible", why: textOf(error) };
  }
}

function whyNot(state: Transaction, { branch: name, verdict }: Decision): string {
  if (state.kind === "unborn") return "its journal cannot be read";
  if (state.kind === "committed" || state.kind === "rolled-back" || state.kind === "mixed") return `it has ended: ${state.kind}`;
  if (name === undefined) {
    if (verdict === "retry") return "it is not parked as a whole; name the branch to ask again";
    if (verdict === "refused") return "it is decided already; name the branch that this is about";
    return `${verdict} is said of a branch; name it`;
  }
  const branch = state.branches.find((it) => it.name === name);
  if (branch === undefined) {
    const names = state.branches.map((it) => it.name).join(", ");
    return names === "" ? `it has no branch ${name}, nor any other yet` : `it has no branch ${name}; it has ${names}`;
  }
  return askedOp(branch) === undefined ? `nothing is asked of ${name} any more: it is ${branch.phase.kind}` : `${name} is ${branch.phase.kind}`;
}
