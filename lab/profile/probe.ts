/**
 * Runs inside a purchase worker, by `--import` in its NODE_OPTIONS: Node's CPU profiler, garbage collections, the delay of the event loop,
 * and how much was allocated. It uses nothing but Node, and the worker knows nothing of it. On its end it writes two files.
 * (`--cpu-prof` itself is not allowed in NODE_OPTIONS, so the profiler is started through the inspector.)
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

const SAMPLE_EVERY_MS = 100;
const LOOP_RESOLUTION_MS = 1;
const PROFILE_EVERY_US = 500;
/** Half an hour. */
const SAMPLES_MAX = 18_000;
const PAUSES_MAX = 100_000;

const folder = process.env["PROFILE_FOLDER"];
if (folder !== undefined) probe(`${folder}/${process.env["WORKER"] ?? "worker"}-${process.pid}`);

function probe(path: string): void {
  const pauses: { readonly atMs: number; readonly ms: number }[] = [];
  const samples: { readonly atMs: number; readonly loopMaxMs: number; readonly allocatedBytes: number; readonly heapBytes: number }[] = [];
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  const hear = (entries: readonly PerformanceEntry[]): void => {
    for (const { startTime, duration } of entries) if (pauses.length < PAUSES_MAX) pauses.push({ atMs: performance.timeOrigin + startTime, ms: duration });
  };
  const collections = new PerformanceObserver((list) => hear(list.getEntries()));
  const sample = (): void => {
    const heap: { readonly used_heap_size: number; readonly total_allocated_bytes?: number } = getHeapStatistics();
    samples.push({ atMs: Date.now(), loopMaxMs: loop.max / 1e6, allocatedBytes: heap.total_allocated_bytes ?? 0, heapBytes: heap.used_heap_size });
    loop.reset();
  };
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: PROFILE_EVERY_US });
  session.post("Profiler.start");
  const startedMs = Date.now();
  collections.observe({ entryTypes: ["gc"] });
  loop.enable();
  const timer = setInterval(() => {
    if (samples.length < SAMPLES_MAX) sample();
  }, SAMPLE_EVERY_MS);
  timer.unref();
  process.once("exit", () => {
    hear(collections.takeRecords());
    sample();
    // In its own thread the inspector answers at once.
    session.post("Profiler.stop", (error, answer) => {
      if (error === null) writeFileSync(`${path}.cpuprofile`, JSON.stringify(answer.profile));
    });
    writeFileSync(`${path}.probe.json`, JSON.stringify({ startedMs, pauses, samples }));
  });
}
