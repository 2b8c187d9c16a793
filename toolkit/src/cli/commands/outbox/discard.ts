import { decisionCommand } from "./decision.ts";

export const command = decisionCommand({
  name: "discard",
  past: "discarded",
  usage: "<id ...> --reason TEXT [--subscription NAME] [--who NAME]",
  details: `
Never delivered, and final; the later ones of its key go on. A delivery that is on its way at this moment may still arrive.
The message is kept, with who and why: tripact outbox list --state discarded.`,
  from: ["waiting", "late", "parked", "skipped"],
  allParked: false,
  example: "sent by hand",
  decide: (desk, decision) => desk.discard(decision),
});
