/** What follows from the cells alone. It is worked out anew whenever cells are added, and kept for who reads the file with something else. */
import { falseAlarmsOf } from "../../measures/goodput.ts";
import { MODE_NAMES } from "../../platform/mode-processes.ts";
import { recoveryOf } from "../cell.ts";
import type { Cell, FalseAlarms, Results, RunRecord } from "../results.ts";
import { degradationOf } from "./degradation.ts";
import { headlineOf } from "./headline.ts";

export type Overview = Pick<Results, "headline" | "degradation" | "falseAlarms">;

export function overviewOf(cells: readonly Cell[]): Overview {
  return { headline: headlineOf(cells), degradation: degradationOf(cells), falseAlarms: alarmsIn(cells) };
}

function alarmsIn(cells: readonly Cell[]): Results["falseAlarms"] {
  const controls = cells.filter(({ fault, records }) => fault === "none" && records.length > 0);
  if (controls.length === 0) return null;
  const byMode = MODE_NAMES.flatMap((mode) => {
    const own = controls.filter((cell) => cell.mode === mode).flatMap(({ records }) => records);
    return own.length === 0 ? [] : [{ mode, ...alarmsOf(own) }];
  });
  return { ...alarmsOf(controls.flatMap(({ records }) => records)), byMode };
}

function alarmsOf(controls: readonly RunRecord[]): FalseAlarms {
  const { runs, alarms, rate, rateAtMost } = falseAlarmsOf(controls.map(({ rtoMs }) => recoveryOf(rtoMs.sustained)));
  return { runs, alarms, rate: rate ?? null, rateAtMost: rateAtMost ?? null };
}
