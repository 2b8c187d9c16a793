/**
 * The lines of a README that quote a result: node lab/report/in-readme.ts docs/results/lab/results.json; with --matrix, a line for each fault.
 * A test compares them with what stands there, so that no figure is copied by hand.
 */
import { parseArgs } from "node:util";
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { readResults } from "../results/file.ts";
import type { Cell, Results } from "../results/results.ts";
import { count, duration, NOT_KNOWN } from "./figures.ts";
import { harmOf, matrixOf } from "./matrix.ts";

export type Language = "en" | "zh";

const HEADS: Readonly<Record<Language, readonly string[]>> = {
  en: ["fault", "pattern", "runs", "RTO median (95 % interval)", "worst", "beyond the outage", "lost", "doubled / phantom / torn / stuck", "compensation right"],
  zh: ["故障", "模式", "次数", "RTO 中位数（95 % 区间）", "最差", "扣除数据库停机", "丢失", "重复 / 幻影 / 撕裂 / 卡住", "补偿正确"],
};
const QUOTED = ["primary-killed", "coordinator-killed"];

export function quotedLines({ cells }: Results, language: Language): readonly string[] {
  const heads = HEADS[language];
  const quoted = QUOTED.flatMap((fault) => cells.filter((cell) => cell.fault === fault));
  return [heads, heads.map(() => "---"), ...quoted.map(rowOf)].map((row) => `| ${row.join(" | ")} |`);
}

function rowOf(cell: Cell): readonly string[] {
  const { headline, excess } = cell.rtoMs;
  const between = headline.medianBetween === null ? NOT_KNOWN : `${duration(headline.medianBetween.low)} … ${duration(headline.medianBetween.high)}`;
  const { compensation } = cell;
  return [
    cell.fault,
    cell.mode,
    count(cell.runs),
    `${duration(headline.median)} (${between})`,
    duration(headline.max),
    duration(excess.median),
    count(cell.rpo.operations),
    [cell.duplicated, cell.phantom, cell.torn, cell.stuck].map(count).join(" / "),
    compensation === null ? NOT_KNOWN : `${count(compensation.right)} / ${count(compensation.needed)}`,
  ];
}

const MATRIX_HEADS: Readonly<Record<Language, { readonly fault: string; readonly harm: (count: number) => string; readonly unknown: string }>> = {
  en: { fault: "fault", harm: (harm) => `**${count(harm)} lost or wrong**`, unknown: "not all judged" },
  zh: { fault: "故障", harm: (harm) => `**${count(harm)} 处丢失或错误**`, unknown: "未能全部判定" },
};

/** Of each fault and pattern: the median of recovery, how often it was run, and what was lost or wrong, where anything was. */
export function matrixLines(results: Pick<Results, "cells">, language: Language): readonly string[] {
  const words = MATRIX_HEADS[language];
  const entry = (cell: Cell | undefined): string => {
    if (cell === undefined) return NOT_KNOWN;
    const harm = harmOf(cell);
    const notes = [...(harm > 0 ? [words.harm(harm)] : []), ...(cell.verdict === "unknown" ? [words.unknown] : [])];
    return [`${duration(cell.rtoMs.headline.median)} (${count(cell.runs)})`, ...notes].join(", ");
  };
  const rows = matrixOf(results).map(({ fault, ofMode }) => [fault, ...ofMode.map(entry)]);
  const heads = [words.fault, ...MODE_NAMES];
  return [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { matrix: { type: "boolean", default: false } } });
  const [path] = positionals;
  if (path === undefined) {
    console.error("usage: node lab/report/in-readme.ts [--matrix] RESULTS.json");
    process.exitCode = 2;
  } else {
    const results = readResults(path);
    for (const language of ["en", "zh"] as const) console.log(`${(values.matrix ? matrixLines : quotedLines)(results, language).join("\n")}\n`);
  }
}
