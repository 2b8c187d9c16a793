/** A made-up result: a goodput curve with a hole, and figures that nobody measured. */
import { cellOf, durationsOf, type CellName } from "./cell.ts";
import { overviewOf } from "./overview/overview.ts";
import type { Results, RunPerformance, RunRecord } from "./results.ts";
import { NO_VIEWS, type Views } from "./views.ts";

const STEP_MS = 250;
/** As fine as windows slide. */
const GOODPUT_STEP_MS = 50;
const FAULT_MS = 15_000;
const UNTIL_MS = 35_000;

export function record(seed: number, headlineMs: number, change: Partial<RunRecord> = {}): RunRecord {
  const times = Array.from({ length: UNTIL_MS / STEP_MS }, (_, step) => step * STEP_MS);
  const isDown = (ms: number): boolean => ms >= FAULT_MS && ms < FAULT_MS + headlineMs;
  const wobble = (ms: number): number => ((ms / STEP_MS) * 7 + seed * 13) % 11;
  const fine = Array.from({ length: UNTIL_MS / GOODPUT_STEP_MS }, (_, step) => step * GOODPUT_STEP_MS);
  const latency = (factor: number) => times.map((ms) => (isDown(ms) ? (factor > 20 ? null : 30 * factor) : factor + wobble(ms) / 4));
  return {
    startedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, seed)).toISOString(),
    seed,
    replay: `npm run lab -- replay example --seed ${seed}`,
    complete: true,
    baseline: { fromMs: 0, toMs: FAULT_MS },
    fault: { fromMs: FAULT_MS, toMs: FAULT_MS + 4 },
    healedAtMs: FAULT_MS + 5_000,
    momentMs: FAULT_MS,
    offeredUntilMs: UNTIL_MS,
    offeredPerSecond: 200,
    untilMs: UNTIL_MS + 2_000,
    rtoMs: { first: Math.max(0, headlineMs - 90), sustained: Math.max(0, headlineMs - 40), tx: Math.max(0, headlineMs - 10), settle: headlineMs, headline: headlineMs, excess: 210, latency: headlineMs + 800 },
    relapses: 0,
    outageMs: Math.max(0, headlineMs - 210),
    down: headlineMs > 210 ? [{ fromMs: FAULT_MS, toMs: FAULT_MS + headlineMs - 210 }] : [],
    threshold: { perSecond: 188, from: "control", healthySeconds: 180 },
    rpo: { operations: 0, units: 0, money: 0, oldestMs: null },
    harm: { duplicated: 0, phantom: 0, torn: 0, stuck: 0, unresolved: 0 },
    oversold: 0,
    compensation: { needed: 40, right: 40, wrong: 0, stuck: 0 },
    inconsistencyMs: { healthy: { p50: 9, p95: 22, max: 41 }, underFault: { p50: 14, p95: 480, max: headlineMs } },
    goodput: { baseline: 200, fault: 186, lossRatio: 0.07 },
    performance: { healthy: performance(200, 12), underFault: performance(186, 13) },
    reads: { looks: 900, unanswered: 12, kinds: { orderPaid: { seen: 300, undone: 0 }, unitsSold: { seen: 300, undone: 0 }, paymentCaptured: { seen: 310, undone: 2 }, unitsHeld: { seen: 340, undone: 40 }, paymentAuthorised: { seen: 20, undone: 5 } } },
    verdict: "valid",
    notJudged: [],
    violations: [],
    oneHost: [{ fromMs: FAULT_MS + 420, toMs: UNTIL_MS }],
    series: {
      goodput: { fromMs: 0, stepMs: GOODPUT_STEP_MS, ok: fine.map((ms) => (isDown(ms) ? 0 : 10)) },
      latency: { fromMs: 0, stepMs: STEP_MS, p50Ms: latency(6), p95Ms: latency(14), p99Ms: latency(24) },
    },
    timelines: [
      {
        key: `order-${seed}`,
        openedMs: FAULT_MS - 12,
        endedMs: FAULT_MS + headlineMs,
        steps: [
          { atMs: FAULT_MS - 12, where: "orders", what: "placed" },
          { atMs: FAULT_MS - 3, where: "stock", what: "2 units held" },
          { atMs: FAULT_MS + headlineMs, where: "payment", what: "captured" },
        ],
      },
    ],
    ...change,
  };
}

export function performance(goodputPerSecond: number, cpuMs: number): RunPerformance {
  return { goodputPerSecond, p50Ms: 6, p95Ms: 14, p99Ms: 24, unanswered: 0, cpuMsPerPurchase: { total: cpuMs, byKind: { orders: cpuMs / 2, gateway: cpuMs / 4, postgres: cpuMs / 4 } } };
}

/** A run in which nearly everything went wrong, told by someone who tries to break the page. */
export const TORN: RunRecord = record(9, 900, {
  rtoMs: { first: 300, sustained: { beyondMs: 20_000 }, tx: { beyondMs: 22_000 }, settle: { beyondMs: 22_000 }, headline: { beyondMs: 22_000 }, excess: { unmeasured: "the dependency was not probed" }, latency: { beyondMs: 20_000 } },
  rpo: { operations: 3, units: 5, money: 12_345, oldestMs: 740 },
  harm: { duplicated: 1, phantom: 0, torn: 2, stuck: 4, unresolved: null },
  oversold: null,
  verdict: "invalid",
  notJudged: ["unresolved: the history is not whole"],
  violations: [{ checker: "torn", kind: "paid-without-stock", key: `o-1"><img src=x onerror=alert(1)>`, detail: "</script><script>alert('&')</script>", units: 2, cents: 400 }],
});

export function results(cells: readonly (readonly [CellName, readonly RunRecord[]])[], change: Partial<Results> = {}): Results {
  const all = cells.map(([name, records]) => cellOf(name, records));
  return {
    schema: 2,
    run: "example",
    commit: "fedcba987654",
    seed: 42,
    startedAt: "2026-01-01T00:00:00.000Z",
    endedAt: "2026-01-01T00:30:00.000Z",
    appended: [],
    quick: false,
    incomplete: null,
    machine: { cpu: "Example CPU", cores: 2, memoryGb: 8, system: "Linux 6.1", fileSystem: "ext4", onTmpfs: false },
    versions: { code: "0123abc", tripact: "0.1.0", node: "26.10.0", postgres: "18.4" },
    settings: { "postgres primary": { synchronous_commit: "on", synchronous_standby_names: "standby", fsync: true }, lab: { ratePerSecond: 220, units: 100_000 } },
    cells: all,
    notPossibleHere: [{ fault: "power-lost", why: "no loop device" }],
    ...overviewOf(all),
    views: NO_VIEWS,
    ...change,
  };
}

export function killed(mode: CellName["mode"], fault = "primary-killed"): CellName {
  return { mode, fault, mechanism: "SIGKILL" };
}

const delays = (slowMs: number): NonNullable<Views["wal"]>["phases"][number]["applied"] => ({ n: 100, p50Ms: 4, p95Ms: 12, p99Ms: slowMs, maxMs: slowMs, histogram: [{ upToMs: 5, n: 60 }, { upToMs: 20, n: 38 }, { upToMs: 1_000, n: 2 }, { upToMs: null, n: 0 }] });

export const EXAMPLE_VIEWS: Views = {
  selftest: { measuredAt: "2026-01-01T00:20:00.000Z", seed: 1, seeds: 3, detection: [{ variant: "no inbox", wrong: "It applies a message as often as it comes.", caught: true, by: ["duplicated"], seedsUntilCaught: 1, rightRuns: 3, rightObjections: [] }] },
  profile: {
    measuredAt: "2026-01-01T00:21:00.000Z", seed: 42, mode: "saga", compensations: 400, latencyMs: { p50: 20, p99: 90, max: 140 }, gc: { pauses: 12, totalMs: 30.5, maxMs: 6.25 }, loopMaxMs: 14, allocatedBytesEach: 260_000,
    slowest: [{ ms: 140, gcMs: 6.25, loopMaxMs: 14 }, { ms: 120, gcMs: 0, loopMaxMs: 11 }], busyMs: 2_000, idleMs: 8_000,
    functions: [{ name: "decide toolkit/src/protocol/decide.ts:10", ms: 120, share: 0.06 }], groups: [{ name: "npm pg", ms: 400, share: 0.2 }], files: ["worker.cpuprofile"],
  },
  wal: { measuredAt: "2026-01-01T00:22:00.000Z", seed: 42, ratePerSecond: 20, seconds: 8, sent: 250, missing: 0, unseen: 0, notStreamed: 0, phases: [{ phase: "healthy", applied: delays(20), committed: delays(3) }, { phase: "relay-1 killed", applied: delays(950), committed: delays(4) }] },
  ladder: {
    measuredAt: "2026-01-01T00:23:00.000Z", seed: 42, partitionsMs: [10_200, 9_800], timeoutMs: 150, goodWithinMs: 175,
    rungs: [
      { policy: "time-out only", rtoMs: durationsOf([10_200, 9_900]), afterHealMs: [0, 100], goodDuring: 0, oldestMs: 0, source: { ms: 120_000, atLeast: true }, targetMs: null },
      { policy: "+ local cache", rtoMs: durationsOf([450, 480]), afterHealMs: [-9_700, -9_300], goodDuring: 0.96, oldestMs: 9_900, source: { ms: 1_300, atLeast: false }, targetMs: 500 },
    ],
  },
};

const control = (seed: number, sustained: number): RunRecord => record(seed, 60, { fault: null, rtoMs: { ...record(seed, 60).rtoMs, sustained }, performance: { healthy: performance(200, 10), underFault: null } });

export const EXAMPLE: Results = results([
  [killed("naive"), [TORN, record(10, 800)]],
  [killed("saga"), [record(1, 700), record(2, 640), record(3, 810)]],
  [killed("tcc"), [record(1, 720), record(2, 690), record(3, 760)]],
  [killed("outbox"), [record(1, 650), record(2, 940), record(3, 610)]],
  [killed("saga", "coordinator-killed"), [record(1, 120), record(2, 180)]],
  [killed("naive", "none"), [control(20, 0), control(21, 0)]],
  [killed("saga", "none"), [control(20, 0), control(21, 350), control(22, 0)]],
], { views: EXAMPLE_VIEWS });
