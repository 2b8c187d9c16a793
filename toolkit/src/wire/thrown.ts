import { encodeResult } from "../protocol/json.ts";
import { answerFromThrown } from "../protocol/outcome.ts";
import type { Answer } from "../protocol/outcome.ts";
import { unknown } from "./answers.ts";

// What the barrier says on purpose; the other side may know it by name.
const EXPECTED = ["expired", "overloaded"];

/** What an error answers to the other side. `report` hears of what was not thrown to be an answer; its text stays on this side. */
export function answerOfThrown(error: unknown, report: (error: unknown) => void): Answer {
  const answer = answerFromThrown(error);
  if (answer.kind === "refused") return sendable(answer, report);
  if (answer.kind !== "unknown" || EXPECTED.includes(answer.code)) return answer;
  report(error);
  return unknown("internal", answer.error);
}

/** A refusal stands even if its details cannot be sent. */
function sendable({ code, details }: Extract<Answer, { kind: "refused" }>, report: (error: unknown) => void): Answer {
  const named = code === "" ? "refused" : code;
  try {
    if (details !== undefined && encodeResult(details, "details") !== undefined) return { kind: "refused", code: named, details };
  } catch (error) {
    report(error);
  }
  return { kind: "refused", code: named };
}
