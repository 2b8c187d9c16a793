/** What one turn measures. */
export interface Case {
  name: CaseName;
  /** One line for people. */
  about: string;
  /** Messages a commit. */
  batch: number;
  /** Of one payload, as JSON. */
  payloadBytes: number;
  /** Whether anybody consumes. */
  consumed: boolean;
  /** `closed`: as fast as it goes. `open`: half of what `single` delivered in the same round, whatever is still under way. */
  load: "closed" | "open";
  /** As many committed messages may wait for their consumer; then producers wait as well. */
  undeliveredMax: number;
}

export type CaseName = "without-relay" | "single" | "batched1500B" | "batched200B" | "latency";

export const connections = 16;

export const cases: Readonly<Record<CaseName, Case>> = {
  "without-relay": {
    name: "without-relay",
    about: "one 1.5 KB message a commit, nobody consumes",
    batch: 1,
    payloadBytes: 1500,
    consumed: false,
    load: "closed",
    undeliveredMax: Number.POSITIVE_INFINITY,
  },
  single: { name: "single", about: "one 1.5 KB message a commit", batch: 1, payloadBytes: 1500, consumed: true, load: "closed", undeliveredMax: 2000 },
  batched1500B: { name: "batched1500B", about: "100 messages of 1.5 KB a commit", batch: 100, payloadBytes: 1500, consumed: true, load: "closed", undeliveredMax: 10_000 },
  batched200B: { name: "batched200B", about: "100 messages of 200 B a commit", batch: 100, payloadBytes: 200, consumed: true, load: "closed", undeliveredMax: 10_000 },
  latency: {
    name: "latency",
    about: "one 1.5 KB message a commit, open loop at half of what single delivered",
    batch: 1,
    payloadBytes: 1500,
    consumed: true,
    load: "open",
    undeliveredMax: Number.POSITIVE_INFINITY,
  },
};

/** Decodes a case's name. */
export function caseNamed(name: string): Case {
  const found = Object.values(cases).find((one) => one.name === name);
  if (found === undefined) throw new RangeError(`no such case: ${name}`);
  return found;
}
