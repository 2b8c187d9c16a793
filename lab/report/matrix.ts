/** Faults × modes at a glance: how long it took to come back, and what was lost or wrong. The details of a cell are its own section. */
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { HARMS, type Cell, type Results } from "../results/results.ts";
import { count, duration } from "./figures.ts";
import { both, html, type Html } from "./html.ts";

/** Faults that were measured, in the order of the first cell of each, and for each of them the cell of every mode. */
export function matrixOf({ cells }: Pick<Results, "cells">): readonly { readonly fault: string; readonly ofMode: readonly (Cell | undefined)[] }[] {
  const faults = [...new Set(cells.map(({ fault }) => fault))];
  return faults.map((fault) => ({ fault, ofMode: MODE_NAMES.map((mode) => cells.find((cell) => cell.fault === fault && cell.mode === mode)) }));
}

/** Everything that was lost or wrong, all kinds together; what nobody could judge counts as none, and the verdict says so. */
export function harmOf(cell: Cell): number {
  return [cell.rpo.operations, cell.oversold, ...HARMS.map((harm) => cell[harm])].reduce<number>((sum, each) => sum + (each ?? 0), 0);
}

export function matrixTable({ cells }: Results): Html {
  const lines = matrixOf({ cells });
  if (lines.length < 2) return html``;
  return html`<div class="wide"><table><thead><tr><th class="text">${both("fault", "故障")}</th>${MODE_NAMES.map((mode) => html`<th>${mode}</th>`)}</tr></thead>
<tbody>${lines.map(({ fault, ofMode }) => html`<tr><th scope="row">${fault}</th>${ofMode.map((cell) => (cell === undefined ? html`<td></td>` : entryOf(cell, cells.indexOf(cell))))}</tr>
`)}</tbody></table></div>
<p class="faint">${both(
    "Median of the headline; ✓ nothing lost or wrong, ✗ how many were, ? not all could be judged. Each leads to its cell.",
    "headline 的中位数；✓ 无丢失或错误，✗ 其数目，? 未能全部判定。点击可到相应单元。",
  )}</p>`;
}

function entryOf(cell: Cell, index: number): Html {
  return html`<td><a href="#cell-${index}">${duration(cell.rtoMs.headline.median)}</a> ${markOf(cell)}</td>`;
}

function markOf(cell: Cell): Html {
  const harm = harmOf(cell);
  if (harm > 0) return html`<span class="bad">✗ ${count(harm)}</span>`;
  switch (cell.verdict) {
    case "valid":
      return html`<span class="good">✓</span>`;
    case "invalid":
      return html`<span class="bad">✗</span>`;
    case "unknown":
      return html`<span class="open">?</span>`;
  }
}
