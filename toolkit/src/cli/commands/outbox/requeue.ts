import { decisionCommand } from "./decision.ts";

export const command = decisionCommand({
  name: "requeue",
  past: "requeued",
  usage: "<id ...> | --all-parked  --reason TEXT [--subscription NAME] [--who NAME]",
  details: `  --all-parked         all that are parked or skipped

Tried again from the first attempt, in its place before the later ones of its key. (A skipped one comes after what went on
without it.) What is discarded stays so. A relay hears of it at once; without one, it is done when one starts.`,
  from: ["waiting", "late", "parked", "skipped"],
  allParked: true,
  example: "the mailer is repaired",
  decide: (desk, decision) => desk.requeue(decision),
});
