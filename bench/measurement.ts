/** One level of load on one engine in one round: the line that a runner prints. */
export interface Measurement {
  name: string;
  inFlight: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** p50 of one operation at a time, measured before the load. */
  idleP50Ms: number;
}

/** What a runner says on its standard output, one JSON object a line. */
export type RunnerLine =
  | { kind: "measured"; measurement: Measurement }
  | { kind: "level-failed"; inFlight: number; reason: string }
  | { kind: "figure"; name: string; value: number };

export function encodeLine(line: RunnerLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Decodes a runner's line. Engines also log to standard output: a line of anybody else is `undefined`. */
export function decodeLine(text: string): RunnerLine | undefined {
  if (!text.startsWith('{"kind":')) return undefined;
  const line = JSON.parse(text) as RunnerLine;
  switch (line.kind) {
    case "measured":
    case "level-failed":
    case "figure":
      return line;
    default:
      return undefined;
  }
}
