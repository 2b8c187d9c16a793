/** From the databases, the provider's book and the history to figures of harm, by the lab's checkers. */
import type { Verdict } from "../../checkers/checker.ts";
import { figuresOf } from "../../checkers/figures.ts";
import { judge } from "../../checkers/judge.ts";
import { readEvidence } from "../../evidence/read-evidence.ts";
import type { Platform } from "../../platform/platform.ts";
import type { SaleOffer } from "../../platform/sale-door.ts";
import { heardIn } from "../../evidence/heard.ts";

export interface Harm {
  readonly oversold: number | null;
  readonly lost: number | null;
  readonly duplicated: number | null;
  readonly stuck: number | null;
  /** A line for each judge that objects, or that could not judge. */
  readonly objections: readonly string[];
}

export interface Case {
  readonly platform: Platform;
  readonly sales: readonly SaleOffer[];
  readonly historyFile: string;
  readonly livingGateways: readonly string[];
}

export async function judgeRun({ platform, sales, historyFile, livingGateways }: Case): Promise<Harm> {
  const provider = { url: platform.origins["provider"] ?? "", key: platform.secrets.providerKey };
  try {
    const evidence = await readEvidence({ databases: platform.databaseUrls, provider }, await heardIn(historyFile), { sales, livingGateways });
    return harmIn(judge(evidence, platform.mode));
  } catch (error) {
    // Not judged is not acquitted.
    return { oversold: null, lost: null, duplicated: null, stuck: null, objections: [`could not be judged: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

export function harmIn(verdicts: readonly Verdict[]): Harm {
  const { oversold, lost, duplicated, stuck } = figuresOf(verdicts);
  return { oversold, lost: lost?.operations ?? null, duplicated, stuck, objections: verdicts.flatMap(objectionOf) };
}

function objectionOf(verdict: Verdict): readonly string[] {
  switch (verdict.verdict) {
    case "valid":
    case "not-applicable":
      return [];
    case "invalid":
      return [`${verdict.checker}: ${verdict.counts.violations} times; the first: ${verdict.first.kind} ${verdict.first.key}, ${verdict.first.detail}`];
    case "unknown":
      return [`${verdict.checker}: could not judge, ${verdict.why}`];
  }
}
