import type { LogNotice } from "../stores/outbox-log.ts";
import type { ParkReason, RollBackReason } from "../protocol/transaction.ts";

/** What an operator may want to hear. No payloads and no secrets: safe to log. */
export type Notice =
  | LogNotice
  | { readonly kind: "parked"; readonly gid: string; readonly branch?: string; readonly reason: ParkReason; readonly detail: string }
  /** Said once; `late-over` when the branch has its answer, or a person has decided. */
  | { readonly kind: "late"; readonly gid: string; readonly branch: string; readonly error: string }
  | { readonly kind: "late-over"; readonly gid: string; readonly branch: string }
  /** Everything is undone, and the journal says so. */
  | { readonly kind: "rolled-back"; readonly gid: string; readonly reason: RollBackReason }
  /** This node does not reach the participant; whoever does takes the transaction up. Until then it is unclaimed. */
  | { readonly kind: "handed-back"; readonly gid: string; readonly branch: string; readonly participant: string }
  | { readonly kind: "fenced"; readonly gid: string }
  | { readonly kind: "unreadable"; readonly gid: string; readonly error: string }
  | { readonly kind: "flush-retried"; readonly attempt: number; readonly writes: number; readonly error: string }
  | { readonly kind: "node-lost"; readonly incarnation: string; readonly by: "lock" | "lease" }
  | { readonly kind: "took-over"; readonly transactions: number; readonly tookMs: number }
  | { readonly kind: "session-lost" }
  | { readonly kind: "session-back" }
  | { readonly kind: "node-fenced"; readonly incarnation: string }
  /** No standby since then: what is accepted survives a crash, but not the loss of the primary. */
  | { readonly kind: "durability-degraded"; readonly since: string; readonly detail: string }
  /** The declared level holds again: from the next commit on also for what was written below it. */
  | { readonly kind: "durability-restored"; readonly since: string }
  | { readonly kind: "store"; readonly error: string }
  /** Said once, with the first pause, however many calls test the water; `participant-resumed` when one of them is answered. */
  | { readonly kind: "participant-paused"; readonly participant: string; readonly pauseMs: number }
  | { readonly kind: "participant-resumed"; readonly participant: string }
  | { readonly kind: "message-parked"; readonly subscription: string; readonly id: string; readonly topic: string; readonly key: string; readonly state: "parked" | "skipped"; readonly error: string }
  | { readonly kind: "message-late"; readonly subscription: string; readonly id: string; readonly topic: string; readonly key: string; readonly error: string }
  | { readonly kind: "subscription-paused"; readonly subscription: string; readonly error: string }
  | { readonly kind: "subscription-resumed"; readonly subscription: string }
  | { readonly kind: "lanes-claimed"; readonly subscription: string; readonly lanes: number }
  | { readonly kind: "lane-stopped"; readonly subscription: string; readonly lane: number; readonly topic: string; readonly key: string; readonly count: number }
  | { readonly kind: "log-restarted"; readonly subscription: string; readonly lanes: number }
  | { readonly kind: "bug"; readonly where: string; readonly error: string };

export type Notify = (notice: Notice) => void;
