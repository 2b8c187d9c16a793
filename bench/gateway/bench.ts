import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { startLoad } from "../../lab/load/start.ts";
import { describeMachine, machineText } from "../machine.ts";
import type { BenchPlan } from "../options.ts";
import { spread, type Spread } from "../statistics.ts";
import { figureText, textTable } from "../table.ts";
import { CONTESTANTS, start, type Contestant } from "./contestants.ts";
import { cpuTimeMs } from "./cpu-time.ts";

/** The source's rate, and as many buyers as make it with none asking more often than a gateway allows. */
const OFFERED_PER_SECOND = 5_000;
const BUYERS = 2_500;
const WARM_UP_SECONDS = 3;
const CLOSED_LOOP_CONNECTIONS = 64;

interface Turn {
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

/** What a sold-out answer costs the gateway, against a server that does nothing with the same request; interleaved rounds, ratios within a round. */
export async function benchGateway({ measureMs, rounds, jsonFile }: BenchPlan, progress: (line: string) => void): Promise<void> {
  const machine = describeMachine(tmpdir(), "none");
  progress(machineText(machine));
  const turns: Record<Contestant, Turn[]> = { empty: [], soldOutEscrow: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Each goes first in turn.
    for (const contestant of round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed()) {
      const turn = await takeTurn(contestant, measureMs, round);
      turns[contestant].push(turn);
      progress(`round ${round + 1}/${rounds}  ${contestant.padEnd(14)} ${figureText(turn.cpuMicros)} µs of CPU a request, p99 ${figureText(turn.p99Ms)} ms, ${figureText(turn.perSecond)}/s with ${CLOSED_LOOP_CONNECTIONS} connections`);
    }
  }
  const over = (contestant: Contestant, of: keyof Turn): Spread => spread(turns[contestant].map((turn) => turn[of]));
  const ratio = spread(turns.soldOutEscrow.map((turn, round) => turn.cpuMicros / (turns.empty[round]?.cpuMicros ?? Number.NaN)));
  console.log(
    `\n${textTable(
      ["", "CPU µs a request", "rounds", "p50 ms", "p99 ms at 5,000/s", "per second"],
      CONTESTANTS.map((name) => [name, figureText(over(name, "cpuMicros").median), `${figureText(over(name, "cpuMicros").min)}..${figureText(over(name, "cpuMicros").max)}`, figureText(over(name, "p50Ms").median), figureText(over(name, "p99Ms").median), figureText(over(name, "perSecond").median)]),
    )}\n\nsold out, against empty: ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}; target 1.33)\n`,
  );
  if (jsonFile !== undefined) {
    const file = {
      schema: 1,
      bench: "gateway",
      machine,
      offeredPerSecond: OFFERED_PER_SECOND,
      rounds,
      perSecond: rounded(over("soldOutEscrow", "perSecond").median),
      serverCpuMicrosPerRequest: { empty: rounded(over("empty", "cpuMicros").median), soldOutEscrow: rounded(over("soldOutEscrow", "cpuMicros").median) },
      ratios: { soldOutEscrowVsEmpty: rounded(ratio.median) },
      ratiosFromTo: { soldOutEscrowVsEmpty: [rounded(ratio.min), rounded(ratio.max)] },
      p99MsAt5000: rounded(over("soldOutEscrow", "p99Ms").median),
      turns,
    };
    await writeFile(jsonFile, `${JSON.stringify(file, null, 2)}\n`);
  }
}

async function takeTurn(contestant: Contestant, measureMs: number, seed: number): Promise<Turn> {
  const running = await start(contestant);
  const folder = await mkdtemp(join(tmpdir(), "tripact-gateway-"));
  try {
    const load = await startLoad({ target: running.origin, historyPath: join(folder, "history.ndjson") });
    const plan = { sku: "lamp", ratePerSecond: OFFERED_PER_SECOND, buyers: BUYERS, repeatShare: 0 };
    await (await load.start({ ...plan, seconds: WARM_UP_SECONDS, seed })).ended;
    const before = cpuTimeMs(running.pid);
    const ended = await (await load.start({ ...plan, seconds: measureMs / 1_000, seed: seed + 1_000 })).ended;
    const after = cpuTimeMs(running.pid);
    await load.quit();
    if (before === undefined || after === undefined || ended.answerMs === null) throw new Error("this system does not tell a process's CPU time");
    if (ended.soldOut !== ended.offered) throw new Error(`${ended.offered - ended.soldOut} of ${ended.offered} answers were not "sold-out": ${JSON.stringify(ended)}`);
    return { cpuMicros: ((after - before) * 1_000) / ended.offered, p50Ms: ended.answerMs.p50, p99Ms: ended.answerMs.p99, perSecond: await closedLoop(running.origin, measureMs / 2) };
  } finally {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** As many as come back: each connection asks again when it was answered. The client takes its share of the machine, so this is a lower bound. */
async function closedLoop(origin: string, durationMs: number): Promise<number> {
  const endsAt = performance.now() + durationMs;
  let answered = 0;
  const ask = async (connection: number): Promise<void> => {
    const pool = new Pool(origin, { connections: 1, connect: { localAddress: `127.9.0.${connection + 1}`, timeout: 1_000 } });
    while (performance.now() < endsAt) {
      const body = JSON.stringify({ buyer: `loop-${connection}-${answered}`, quantity: 1, requestId: "once" });
      const response = await pool.request({ path: "/sales/lamp/purchases", method: "POST", headers: { "content-type": "application/json" }, body });
      await response.body.dump();
      answered += 1;
    }
    await pool.close();
  };
  await Promise.all(Array.from({ length: CLOSED_LOOP_CONNECTIONS }, (_, connection) => ask(connection)));
  return (answered * 1_000) / durationMs;
}

function rounded(value: number): number {
  return Number(value.toFixed(3));
}
