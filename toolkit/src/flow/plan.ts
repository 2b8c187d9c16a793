import { checkPlan } from "../protocol/check-plan.ts";
import type { Json, Jsonable } from "../protocol/json.ts";
import type { Plan, PlanBranch } from "../protocol/plan.ts";
import type { Participant, SagaParticipant, TccParticipant } from "../transports/participant.ts";

/** The result of an earlier step, or a part of it: put it wherever a payload wants a value. Resolved when the step is registered. */
export function resultOf(step: string, at?: string): { readonly $resultOf: string; readonly at?: string } {
  return at === undefined ? { $resultOf: step } : { $resultOf: step, at };
}

type Participants = { readonly [name: string]: Participant };
type NamesOf<P extends Participants, Kind extends "saga" | "tcc"> = { [K in keyof P]: P[K]["kind"] extends Kind ? K : never }[keyof P] & string;
type InputOf<P> = P extends SagaParticipant<infer In, unknown> ? In : P extends TccParticipant<infer In, unknown> ? In : never;
/** Any part of a payload may be a reference to a result instead. */
type WithReferences<T> = ReturnType<typeof resultOf> | (T extends object ? { readonly [K in keyof T]: WithReferences<T[K]> } : T);
type Payload<P> = WithReferences<Jsonable<InputOf<P>>>;

/**
 * Builds a plan: a transaction as data. Participants are named by the keys of a typed map; each `step`, `pivot` or `tcc` runs after the
 * one before, what `together` holds runs side by side.
 *
 *     const transfer = plan({ bank, wallet }).step("debit", "bank", { cents: 5 }).tcc("pay", "wallet", { cents: 5 }).build();
 */
export function plan<P extends Participants>(participants: P): PlanBuilder<P> {
  return new PlanBuilder(participants, []);
}

export class PlanBuilder<P extends Participants> {
  readonly #participants: P;
  readonly #groups: readonly (readonly PlanBranch[])[];

  constructor(participants: P, groups: readonly (readonly PlanBranch[])[]) {
    this.#participants = participants;
    this.#groups = groups;
  }

  step<K extends NamesOf<P, "saga">>(name: string, participant: K, payload: Payload<P[K]>, options: { readonly undo?: "compensate" | "nothing" } = {}): PlanBuilder<P> {
    return this.#with({ kind: "step", name, undo: options.undo ?? "compensate", ...this.#call(participant, payload) });
  }

  pivot<K extends NamesOf<P, "saga">>(name: string, participant: K, payload: Payload<P[K]>): PlanBuilder<P> {
    return this.#with({ kind: "pivot", name, ...this.#call(participant, payload) });
  }

  tcc<K extends NamesOf<P, "tcc">>(name: string, participant: K, payload: Payload<P[K]>, options: { readonly expiresAfterMs?: number } = {}): PlanBuilder<P> {
    return this.#with({ kind: "tcc", name, ...this.#call(participant, payload), ...options });
  }

  sleep(name: string, ms: number): PlanBuilder<P> {
    return this.#with({ kind: "sleep", name, ms });
  }

  /** Sent if, and with, the commit. */
  emit(topic: string, message: { readonly key: string; readonly payload: Json; readonly headers?: { readonly [name: string]: string } }): PlanBuilder<P> {
    return this.#with({ kind: "emit", topic, ...message });
  }

  /** Side by side: everything that `build` adds becomes one group. */
  together(build: (side: PlanBuilder<P>) => PlanBuilder<P>): PlanBuilder<P> {
    const group = build(new PlanBuilder(this.#participants, [])).#groups.flat();
    return new PlanBuilder(this.#participants, [...this.#groups, group]);
  }

  /** Checks the plan as a coordinator would. Throws `invalid-plan`. */
  build(): Plan {
    return checkPlan({ groups: this.#groups });
  }

  #with(branch: PlanBranch): PlanBuilder<P> {
    return new PlanBuilder(this.#participants, [...this.#groups, [branch]]);
  }

  #call(name: keyof P & string, payload: unknown): { readonly participant: string; readonly payload: Json; readonly guard: Participant["guard"] } {
    const participant = this.#participants[name];
    // The journal names a participant by its own name or URL; the key is only how this code calls it.
    return { participant: participant?.target ?? name, payload: payload as Json, guard: participant?.guard ?? "barrier" };
  }
}
