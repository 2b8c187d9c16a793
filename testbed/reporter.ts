import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const FAILURES_AGAIN_MAX = 20;

type Verdict = Extract<TestEvent, { type: "test:pass" | "test:fail" }>;

/**
 * A line per test file, failures in full, and as its last line the sum: `N passed, N failed` (and `, N skipped`). Failures stand once more
 * before the sum: whoever keeps only the end of a long run still reads which they were. What a test prints or tells by `t.diagnostic`
 * passes through. Node decides the exit code.
 */
// A default export is what node:test asks of a reporter.
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const total = noCounts();
  const files = new Map<string, Counts>();
  const failures: string[] = [];
  let succeeded = true;
  for await (const event of events) {
    switch (event.type) {
      case "test:pass":
      case "test:fail": {
        if (isNoTest(event)) break;
        const result = resultOf(event);
        const ofFile = files.get(fileOf(event)) ?? noCounts();
        files.set(fileOf(event), ofFile);
        ofFile[result] += 1;
        total[result] += 1;
        if (result !== "passed") yield explain(event);
        if (result === "failed" && failures.length < FAILURES_AGAIN_MAX) failures.push(explain(event));
        break;
      }
      case "test:summary": {
        const { file, success, duration_ms: durationMs } = event.data;
        if (file === undefined) succeeded = success;
        else yield fileLine(file, files.get(file) ?? noCounts(), durationMs);
        break;
      }
      case "test:stdout":
      case "test:stderr":
        yield event.data.message;
        break;
      case "test:diagnostic":
        // Those without a file are node's own counts, which the last line gives.
        if (event.data.file !== undefined) yield `  ℹ ${event.data.message}\n`;
        break;
      default:
        break;
    }
  }
  if (!succeeded && total.failed === 0) {
    total.failed = 1;
    yield "✖ the run failed outside of any test\n";
  }
  if (failures.length > 0 && files.size > 1) yield `\nWhat failed, once more:\n${failures.join("")}`;
  yield `\n${sum(total)}\n`;
}

function noCounts(): Counts {
  return { passed: 0, failed: 0, skipped: 0 };
}

/** A suite or parent speaks for its children, which were counted; a file that holds no test passes under its own name. */
function isNoTest(event: Verdict): boolean {
  if (event.type === "test:fail") return failureType(event.data.details.error) === "subtestsFailed";
  return event.data.details.type === "suite" || (event.data.nesting === 0 && event.data.file?.endsWith(event.data.name) === true);
}

function resultOf(event: Verdict): keyof Counts {
  if (isSaid(event.data.skip) || isSaid(event.data.todo)) return "skipped";
  return event.type === "test:pass" ? "passed" : "failed";
}

function explain(event: Verdict): string {
  const { name, skip, todo } = event.data;
  if (isSaid(skip)) return `  ⊘ ${name}: skipped${reason(skip)}\n`;
  if (isSaid(todo)) return `  ⊘ ${name}: to do${reason(todo)}\n`;
  const place = `${relative(process.cwd(), fileOf(event))}:${event.data.line ?? 0}`;
  const error = event.type === "test:fail" ? event.data.details.error : undefined;
  return `\n✖ ${name}\n  ${place}\n${indent(cause(error))}\n\n`;
}

/** Node wraps what the test threw; the wrapper itself only knows how a whole file's process ended. */
function cause(wrapper: Error | undefined): string {
  const thrown = wrapper?.cause ?? wrapper;
  if (typeof thrown !== "string") return withoutRunner(inspect(thrown, { depth: 8 }));
  const code = wrapper !== undefined && "exitCode" in wrapper ? wrapper.exitCode : undefined;
  const signal = wrapper !== undefined && "signal" in wrapper ? wrapper.signal : undefined;
  return code === undefined && signal === undefined ? thrown : `${thrown}: exit code ${String(code)}, signal ${String(signal)}`;
}

/** The runner's own frames say nothing about the failure; the last of them may carry the bracket of what follows. */
function withoutRunner(stack: string): string {
  return stack.replace(/\n *at [^\n]*node:(?:internal\/test_runner|internal\/util|async_hooks)[^\n]*?( \{)?(?=\n|$)/g, "$1");
}

function fileLine(file: string, counts: Counts, durationMs: number): string {
  const mark = counts.failed > 0 ? "✖" : counts.passed + counts.skipped > 0 ? "✔" : "∅";
  return `${mark} ${relative(process.cwd(), file)}  ${sum(counts)}  ${Math.round(durationMs)} ms\n`;
}

function sum({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function fileOf(event: Verdict): string {
  return event.data.entryFile ?? event.data.file ?? event.data.name;
}

/** `{ skip: false }` comes through as given; a skip without a reason as `true` or as an empty text. */
function isSaid(mark: string | boolean | undefined): mark is string | true {
  return mark !== undefined && mark !== false;
}

function reason(mark: string | true): string {
  return mark === true || mark === "" ? "" : ` (${mark})`;
}

function failureType(error: Error): unknown {
  return "failureType" in error ? error.failureType : undefined;
}

function indent(text: string): string {
  return text.split("\n").map((line) => `    ${line}`).join("\n");
}
