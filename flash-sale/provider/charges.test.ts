import assert from "node:assert/strict";
import { test } from "node:test";
import type { Charge, ChargeRequest } from "../contracts.ts";
import { ChargesFull, ChargeUnknown, Charges, KeyConflict, type Course, type Habits } from "./charges.ts";

const HABITS: Habits = { seed: "7", declined: 0, slow: 0, slowMs: 1_000, duplicated: 0, late: 0, lateMs: 5_000, answerMs: 5 };

function asked(key: string, more: Partial<ChargeRequest> = {}): ChargeRequest {
  return { key, buyer: "ada", cents: 300, capture: "at-once", callbackUrl: "http://127.0.0.1:1/callbacks/provider", ...more };
}

test("a charge is pending, then decided once, and told to whoever asked", () => {
  const charges = new Charges(HABITS);
  const { charge, course } = charges.request(asked("a"));
  assert.deepEqual(charge, { kind: "charge", key: "a", cents: 300, state: "pending" });
  assert.deepEqual(course, { decideAfterMs: 5, tellAfterMs: 0, times: 1 });
  assert.deepEqual(charges.decide("a"), { key: "a", state: "captured", callbackUrl: "http://127.0.0.1:1/callbacks/provider" });
  assert.equal(charges.decide("a"), undefined);
  assert.equal(charges.decide("nobody's"), undefined);
});

test("the same key is the same charge, which begins once; with other cents it is a conflict", () => {
  const charges = new Charges(HABITS);
  charges.request(asked("a"));
  assert.equal(charges.request(asked("a")).course, undefined);
  assert.throws(() => charges.request(asked("a", { cents: 301 })), KeyConflict);
  charges.decide("a");
  assert.equal(charges.request(asked("a")).charge.state, "captured");
  assert.equal(charges.page(0).charges.length, 1);
});

type Move = "decide" | "capture" | "void" | "refund";
const MOVES: readonly Move[] = ["decide", "capture", "void", "refund"];
/** By where it is: where each move leads. What is not named stays. `doomed` is pending and voided. */
const LEADS: Readonly<Record<"at-once" | "later", Readonly<Record<string, Partial<Record<Move, string>>>>>> = {
  "at-once": { pending: { decide: "captured", void: "doomed", refund: "doomed" }, doomed: { decide: "declined" }, captured: { void: "refunded", refund: "refunded" } },
  later: {
    pending: { decide: "authorised", void: "doomed", refund: "doomed" },
    doomed: { decide: "declined" },
    authorised: { capture: "captured", void: "voided", refund: "voided" },
    captured: { void: "refunded", refund: "refunded" },
  },
};

test("every order of decision, capture, void and refund, up to five of them", () => {
  for (const capture of ["at-once", "later"] as const) {
    for (const word of wordsOf(5)) {
      const charges = new Charges(HABITS);
      charges.request(asked("a", { capture }));
      let expected = "pending";
      for (const move of word) {
        charges[move]("a");
        expected = LEADS[capture][expected]?.[move] ?? expected;
        const { state } = charges.lookup("a") as Charge;
        assert.equal(state, expected === "doomed" ? "pending" : expected, `${capture}: ${word.join(" ")}`);
      }
    }
  }
});

test("a void that overtakes its request stays, and the request starts nothing", () => {
  const charges = new Charges(HABITS);
  assert.deepEqual(charges.void("a"), { kind: "charge", key: "a", cents: 0, state: "voided" });
  assert.deepEqual(charges.request(asked("a")), { charge: { kind: "charge", key: "a", cents: 300, state: "voided" } });
  assert.equal(charges.decide("a"), undefined);
});

test("what is not there is said so", () => {
  const charges = new Charges(HABITS);
  assert.deepEqual(charges.lookup("a"), { kind: "unknown" });
  assert.throws(() => charges.capture("a"), ChargeUnknown);
  assert.throws(() => charges.refund("a"), ChargeUnknown);
});

test("what becomes of a charge depends on seed and key alone, in the shares asked for", () => {
  const habits = { ...HABITS, declined: 0.2, slow: 0.1, duplicated: 0.3, late: 0.4 };
  const keys = Array.from({ length: 4_000 }, (_, index) => `order-${index}`);
  const forth = fatesOf(habits, keys);
  assert.deepEqual(fatesOf(habits, keys.toReversed()), forth);
  assert.notDeepEqual(fatesOf({ ...habits, seed: "8" }, keys), forth);
  const share = (holds: (fate: Fate) => boolean) => [...forth.values()].filter(holds).length / keys.length;
  const close = (actual: number, wanted: number) => assert.ok(Math.abs(actual - wanted) < 0.03, `${actual} is not ${wanted}`);
  close(share(({ state }) => state === "declined"), 0.2);
  close(share(({ decideAfterMs }) => decideAfterMs === 1_000), 0.1);
  close(share(({ times }) => times === 2), 0.3);
  close(share(({ tellAfterMs }) => tellAfterMs === 5_000), 0.4);
});

test("the book has every charge once, page by page, while others come", () => {
  const charges = new Charges(HABITS);
  for (let index = 0; index < 2_500; index += 1) charges.request(asked(`order-${index}`));
  const read: string[] = [];
  for (let after = 0; ; ) {
    const page = charges.page(after);
    if (page.charges.length === 0) break;
    read.push(...page.charges.map(({ key }) => key));
    after = page.after;
    if (read.length === 1_000) charges.request(asked("late"));
  }
  assert.equal(read.length, 2_501);
  assert.equal(new Set(read).size, 2_501);
});

test("a provider that is full takes no more, and keeps what it has", () => {
  const charges = new Charges(HABITS, { max: 1 });
  charges.request(asked("a"));
  assert.throws(() => charges.request(asked("b")), ChargesFull);
  assert.equal(charges.request(asked("a")).charge.state, "pending");
});

interface Fate extends Course {
  readonly state: string;
}

function fatesOf(habits: Habits, keys: readonly string[]): Map<string, Fate> {
  const charges = new Charges(habits);
  const fates = keys.map((key): [string, Fate] => {
    const { course } = charges.request(asked(key));
    assert.ok(course !== undefined);
    return [key, { ...course, state: charges.decide(key)?.state ?? "pending" }];
  });
  return new Map(fates.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function wordsOf(length: number): Move[][] {
  if (length === 0) return [[]];
  return wordsOf(length - 1).flatMap((word) => MOVES.map((move) => [...word, move]));
}
