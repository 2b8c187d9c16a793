/** One transaction at quiescence. */
export interface Ended {
  readonly key: string;
  /** Effects that happened, whatever became of them. */
  readonly effects: number;
  /** Those of them that were taken back. */
  readonly undone: number;
  /** `no`: it was decided, or is plain, that it must leave nothing behind. */
  readonly decision: "yes" | "no";
  readonly clientWasToldPaid: boolean;
}

export interface Compensation {
  /** Decided against after something had happened. */
  readonly needed: number;
  /** Of these, everything was taken back, and nobody had been told that it is paid. */
  readonly right: number;
  /** Something was taken back from a client who had been told that it is paid, needed or not. */
  readonly wrong: readonly string[];
  /** Needed, and something is still there. */
  readonly stuck: readonly string[];
  /** `right` of `needed`; null where none was needed: no success either. */
  readonly rightShare: number | null;
}

export function compensationOf(all: readonly Ended[]): Compensation {
  for (const { key, effects, undone } of all) {
    if (undone > effects) throw new RangeError(`${key}: ${undone} effects were taken back, of ${effects}`);
  }
  const needed = all.filter(({ decision, effects }) => decision === "no" && effects > 0);
  const isWrong = ({ clientWasToldPaid, undone }: Ended): boolean => clientWasToldPaid && undone > 0;
  const isStuck = (each: Ended): boolean => !isWrong(each) && each.undone < each.effects;
  const right = needed.filter((each) => !isWrong(each) && !isStuck(each)).length;
  return {
    needed: needed.length,
    right,
    wrong: all.filter(isWrong).map(({ key }) => key),
    stuck: needed.filter(isStuck).map(({ key }) => key),
    rightShare: needed.length === 0 ? null : right / needed.length,
  };
}
