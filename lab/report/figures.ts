/** Figures as a person reads them. What is not known is a dash, and what went beyond says so. */
import type { Duration, RunDuration } from "../results/results.ts";

export const NOT_KNOWN = "–";

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(Math.abs(ms) < 9_995 ? 2 : 1)} s`;
}

export function duration(value: RunDuration | null | undefined): string {
  if (value === null || value === undefined) return NOT_KNOWN;
  if (typeof value === "number") return seconds(value);
  return "beyondMs" in value ? `> ${seconds(value.beyondMs)}` : NOT_KNOWN;
}

export function isDuration(value: RunDuration): value is Duration {
  return typeof value === "number" || "beyondMs" in value;
}

export function atLeast(value: Duration): number {
  return typeof value === "number" ? value : value.beyondMs;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NOT_KNOWN : value.toLocaleString("en-US");
}

/** Rounded downwards: 99.999 % is not 100 %. */
export function shareDown(value: number | null): string {
  return value === null ? NOT_KNOWN : `${(Math.floor(value * 10_000 + 1e-9) / 100).toLocaleString("en-US")} %`;
}

export function share(value: number | null): string {
  return value === null ? NOT_KNOWN : `${(Math.round(value * 1_000) / 10).toLocaleString("en-US")} %`;
}

export function milliseconds(value: number | null): string {
  return value === null ? NOT_KNOWN : `${value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 })} ms`;
}

/** Of something else. */
export function times(value: number | null | undefined): string {
  return value === null || value === undefined ? NOT_KNOWN : `× ${value.toFixed(2)}`;
}

export function perSecond(value: number | null): string {
  return value === null ? NOT_KNOWN : `${value.toLocaleString("en-US", { maximumFractionDigits: 1 })}/s`;
}

export function money(cents: number | null): string {
  return cents === null ? NOT_KNOWN : (cents / 100).toFixed(2);
}
