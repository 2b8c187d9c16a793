/**
 * The lines of both READMEs that quote the committed figures: node lab/start/in-readme.ts docs/results/start.json
 * A test compares them with what stands there.
 */
import { readFileSync } from "node:fs";
import { count, duration, milliseconds } from "../report/figures.ts";
import type { ModeFigures, Results } from "./figures.ts";

const ORDER = ["naive", "saga", "tcc", "outbox", "choreography"] as const;

export function quotedRows({ modes }: Results): readonly string[] {
  return ORDER.flatMap((mode) => {
    const figures = modes[mode];
    return figures === undefined ? [] : [`| ${[mode, ...columnsOf(figures)].join(" | ")} |`];
  });
}

function columnsOf(of: ModeFigures): readonly string[] {
  const killed = of.primaryKilled;
  return [
    count(of.accepted),
    count(of.soldOut),
    count(of.paid),
    [of.oversold, of.lost, of.duplicated, of.stuck].map(count).join(" / "),
    `${milliseconds(of.gatewayP50Ms)} / ${milliseconds(of.gatewayP99Ms)}`,
    `${milliseconds(of.purchaseP50Ms)} / ${milliseconds(of.purchaseP99Ms)}`,
    of.cpuMsPerPurchase === null ? "–" : of.cpuMsPerPurchase.toFixed(1),
    of.goodputVsNaive === null ? "–" : of.goodputVsNaive.toFixed(2),
    `${duration(killed?.rtoFirstMs)} / ${duration(killed?.rtoHeadlineMs)}`,
    count(killed?.lost),
  ];
}

if (import.meta.main) {
  const [path] = process.argv.slice(2);
  if (path === undefined) {
    console.error("usage: node lab/start/in-readme.ts START.json");
    process.exitCode = 2;
  } else {
    console.log(quotedRows(JSON.parse(readFileSync(path, "utf8")) as Results).join("\n"));
  }
}
