/** What a run says on a terminal. */
import type { Verdict } from "../checkers/checker.ts";
import { overall } from "../checkers/judge.ts";
import type { ListAppendOptions } from "./options.ts";
import type { ListAppendRun } from "./run.ts";

export function listAppendText({ history, kept, verdicts, victim, notes }: ListAppendRun, { mode, fault, outFile }: ListAppendOptions): string {
  const ended = (type: string): number => history.filter((op) => op.type === type).length;
  return [
    `list-append by ${mode}, ${fault.name}${fault.name === "none" ? "" : ` (${victim})`}: ${overall(verdicts)}`,
    `${ended("invoke")} transactions: ${ended("ok")} ok, ${ended("fail")} fail, ${ended("info")} info; ${kept.lists.size} lists`,
    ...verdicts.flatMap(linesOf),
    ...notes,
    `history: ${outFile}`,
    `isolation, by a third party: java -jar elle-cli.jar --model list-append --output json ${outFile} (see docs/list-append.md)`,
  ].join("\n");
}

function linesOf(verdict: Verdict): readonly string[] {
  const { checker, counts } = verdict;
  const why = verdict.verdict === "unknown" || verdict.verdict === "not-applicable" ? `: ${verdict.why}` : "";
  return [
    `  ${checker}: ${verdict.verdict}${why}${counts.checked === 0 ? "" : `, ${counts.checked} looked at`}`,
    ...Object.entries(counts.kinds).map(([kind, { violations }]) => `    ${kind}: ${violations}`),
    ...(verdict.verdict === "invalid" ? verdict.examples.map(({ kind, key, detail }) => `    ${kind} (${key}): ${detail}`) : []),
    ...Object.entries(counts.noted).map(([name, amount]) => `    noted, and no fault: ${name} ${amount}`),
  ];
}

/** Comments on top of the history: what it is a history of. */
export function historyHeader({ victim }: Pick<ListAppendRun, "victim">, { mode, fault, clients, ratePerSecond, seconds, seed }: ListAppendOptions): readonly string[] {
  return [`list-append by ${mode}, ${fault.name}: ${victim}`, `npm run lab -- list-append --mode ${mode} --fault ${fault.name} --clients ${clients} --rate ${ratePerSecond} --seconds ${seconds} --seed ${seed}`];
}
