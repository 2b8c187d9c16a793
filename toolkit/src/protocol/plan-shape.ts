/**
 * A plan is a transaction's forward phase as data: ordered groups, and inside a group branches side by side. Any language can submit
 * one; any node that reaches its participants can drive it.
 */
import type { Json } from "./json.ts";
import type { Guard } from "./outcome.ts";

interface PlanCall {
  readonly name: string;
  /** A participant's name on the node, or its URL. */
  readonly participant: string;
  /** May refer to results of earlier groups: `{ "$resultOf": "reserve", "at": "/id" }` (a JSON pointer, RFC 6901; optional). */
  readonly payload: Json;
  /** Default `barrier`. */
  readonly guard?: Guard;
}

export type PlanBranch =
  | (PlanCall & { readonly kind: "step"; readonly undo: "compensate" | "nothing" })
  | (PlanCall & { readonly kind: "pivot" })
  | (PlanCall & { readonly kind: "tcc"; readonly expiresAfterMs?: number })
  | { readonly kind: "sleep"; readonly name: string; readonly ms: number }
  | { readonly kind: "emit"; readonly topic: string; readonly key: string; readonly payload: Json; readonly headers?: { readonly [name: string]: string } };

export interface Plan {
  readonly groups: readonly (readonly PlanBranch[])[];
}

/** Whether this value stands for the result of an earlier branch. */
export function isReference(value: Json): value is { readonly $resultOf: string; readonly at?: string } {
  return typeof value === "object" && value !== null && "$resultOf" in value;
}
