import assert from "node:assert/strict";
import type { Jsonable } from "../protocol/json.ts";
import type { RollBackReason } from "../protocol/transaction.ts";
import type { Saga } from "../flow/saga.ts";
import type { TransactionOutcome } from "../runtime/outcome.ts";
import type { StartOptions } from "../tripact.ts";
import type { Given } from "./answers.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { Process } from "./virtual/process.ts";

/** A message that went to the outbox. */
export interface SentMessage {
  readonly topic: string;
  readonly key: string;
  readonly payload: unknown;
}

/** What happened to one transaction, until it ended or waited for a person. */
export interface Story<Out> {
  readonly gid: string;
  readonly outcome: TransactionOutcome<Out>;
  /** Every call that reached a participant, in order: `reserve.action`, `pay.try`, `pay.confirm`. */
  readonly calls: readonly string[];
  readonly messages: readonly SentMessage[];
  /** Virtual time that it took, in milliseconds. */
  readonly tookMs: number;
}

/** What a test may expect. Whatever is not named is not compared. */
export interface Expected<Out> {
  /** It commits with this result. */
  readonly committed?: Out;
  /** It rolls back, for a reason with at least these members: `{ kind: "refused", branch: "pay" }`. */
  readonly rolledBack?: Partial<RollBackReason>;
  /** It waits for a person, and says something that holds this text: `second-phase-refused`. */
  readonly parked?: string;
  readonly calls?: readonly string[];
  readonly messages?: readonly SentMessage[];
}

export interface SagaTest<In, Out> {
  /** Answers in the place of branches' own code, by the branch's name. Adds to what was given before. */
  given(answers: Given): SagaTest<In, Out>;
  when(input: In & Jsonable<In>, options?: StartOptions): SagaRun<Out>;
}

export interface SagaRun<Out> {
  /** Runs it in virtual time; throws an `AssertionError` where it differs. */
  expect(expected: Expected<Out>): Promise<Story<Out>>;
  /** Runs it in virtual time and tells what happened. */
  tell(): Promise<Story<Out>>;
}

/**
 * Tests a saga with the real coordinator on the memory store, in virtual time: waits, retries and timeouts of hours pass in no time.
 *
 *     await testSaga(purchase)
 *       .given({ reserve: answers.done({ hold: 7 }), pay: answers.refused("no-funds") })
 *       .when(order)
 *       .expect({ rolledBack: { kind: "refused", branch: "pay" }, calls: ["reserve.action", "pay.try", "reserve.compensate"] });
 *
 * Throws `ForeignAwait`, with the place, if the flow awaits anything but `tx.*`.
 */
export function testSaga<In, Out>(saga: Saga<In, Out>, options: StageOptions = {}): SagaTest<In, Out> {
  return {
    given: (answers) => testSaga(saga, { ...options, given: { ...options.given, ...answers } }),
    when: (input, start = {}) => ({
      tell: () => tell(saga, input, options, start),
      expect: async (expected) => {
        const story = await tell(saga, input, options, start);
        compare(story, expected);
        return story;
      },
    }),
  };
}

async function tell<In, Out>(saga: Saga<In, Out>, input: In & Jsonable<In>, options: StageOptions, start: StartOptions): Promise<Story<Out>> {
  const stage = new Stage(saga, options);
  const gid = start.gid ?? "test";
  const refusals: unknown[] = [];
  const ends: TransactionOutcome[] = [];
  const node = stage.boot(new Process(stage.world, "node"), () => undefined);
  node.then((tripact) => tripact.start(saga, input, { ...start, gid })).catch((error: unknown) => refusals.push(error));
  const rested = await stage.until(gid, (atRest) => atRest || refusals.length > 0);
  if (refusals.length > 0) throw refusals[0];
  const tookMs = stage.world.nowMs;
  node.then((tripact) => tripact.outcome(gid)).then((outcome) => ends.push(outcome)).catch((error: unknown) => refusals.push(error));
  await stage.world.run(() => ends.length + refusals.length > 0, tookMs + 60_000);
  const [outcome] = ends;
  if (outcome === undefined) throw new Error(`${gid} cannot be asked for its outcome`, { cause: refusals[0] });
  if (!rested) throw new assert.AssertionError({ message: `${gid} has not come to rest in ${tookMs} ms of virtual time: ${JSON.stringify(outcome)}` });
  const messages = stage.database.outbox.map(({ topic, key, payload }) => ({ topic, key, payload: JSON.parse(payload) as unknown }));
  // The journal holds the flow's own result: its type is the flow's.
  return { gid, outcome: outcome as TransactionOutcome<Out>, calls: [...stage.calls], messages, tookMs };
}

function compare<Out>(story: Story<Out>, expected: Expected<Out>): void {
  const { outcome } = story;
  if ("committed" in expected) assert.deepEqual(outcome, { kind: "committed", gid: story.gid, result: expected.committed });
  if (expected.rolledBack !== undefined) {
    assert.equal(outcome.kind, "rolled-back", `expected a roll back: ${JSON.stringify(outcome)}`);
    const reason: object = outcome.kind === "rolled-back" ? outcome.reason : {};
    assert.deepEqual({ ...reason, ...expected.rolledBack }, reason);
  }
  if (expected.parked !== undefined) {
    const parked = outcome.kind === "open" ? (outcome.parked ?? "") : "";
    assert.ok(parked.includes(expected.parked), `expected it to be parked with ${expected.parked}: ${JSON.stringify(outcome)}`);
  }
  if (expected.calls !== undefined) assert.deepEqual(story.calls, expected.calls);
  if (expected.messages !== undefined) assert.deepEqual(story.messages, expected.messages);
}
