import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesOf } from "../../../admin/nodes.ts";
import type { LoggedMessage, RetryRow } from "../../../stores/outbox-log.ts";
import { printList, printMessage, printStandings } from "./print.ts";

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const id = (n: number): string => `0199a1b2-0000-7000-8000-00000000000${n}`;
const message = (n: number): LoggedMessage => ({
  id: id(n),
  seq: n,
  lane: 7,
  topic: "order.placed",
  key: "order-7",
  payload: '{"cents":500,"note":"two\u0007"}',
  headers: '{"tenant":"acme"}',
  recordedAtMs: nowMs - 90_000,
});
const row = (n: number, rest: Partial<RetryRow>): RetryRow => ({ message: message(n), subscription: "mailer", state: "waiting", attempts: 0, copiedAtMs: nowMs, updatedAtMs: nowMs, ...rest });
const parked = row(1, { state: "parked", attempts: 1, error: "no-address: order-7 has no address" });
const late = row(3, { state: "late", attempts: 12, error: "timeout: no answer within 5000 ms", subscription: "bookkeeping" });
const requeued = row(4, { attempts: 0, decidedBy: "ana", decidedReason: "the address was added", subscription: "audit" });

test("the list says what asks for a person, and what waits behind it", () => {
  const listed = [{ row: parked }, { row: row(2, {}), behind: id(1) }, { row: late }, { row: requeued }];
  assert.equal(
    printList(listed, nowMs),
    `\
ID                                    SUBSCRIPTION  STATE    TOPIC         KEY      AGE    NOTE
0199a1b2-0000-7000-8000-000000000001  mailer        PARKED   order.placed  order-7  1 min  1 try: no-address: order-7 has no address
0199a1b2-0000-7000-8000-000000000002  mailer        waiting  order.placed  order-7  1 min  waiting behind 0199a1b2-0000-7000-8000-000000000001
0199a1b2-0000-7000-8000-000000000003  bookkeeping   LATE     order.placed  order-7  1 min  12 tries: timeout: no answer within 5000 ms
0199a1b2-0000-7000-8000-000000000004  audit         waiting  order.placed  order-7  1 min  requeued by ana: the address was added`,
  );
});

test("a message is shown with every subscription, and obeys nobody's terminal", () => {
  const discarded = row(2, { state: "discarded", attempts: 1, error: "gone", decidedBy: "ana", decidedReason: "sent by hand" });
  const standings = [
    { subscription: "audit", state: "settled" as const },
    { subscription: "bookkeeping", state: "pending" as const, behind: id(1) },
    { subscription: "mailer", state: "discarded" as const, retry: discarded },
  ];
  assert.equal(
    printMessage(message(2), standings, nowMs),
    `\
0199a1b2-0000-7000-8000-000000000002  topic order.placed, key order-7
written 2026-01-02T03:02:35.000Z, 1 min ago; number 2, lane 7
header tenant: acme
payload {"cents":500,"note":"two\\u{7}"}

subscriptions
  audit        settled
  bookkeeping  pending    waiting behind 0199a1b2-0000-7000-8000-000000000001
  mailer       discarded  1 try: gone; discarded by ana: sent by hand`,
  );
  assert.match(printMessage(message(2), [], nowMs), /\n\nno subscription has read this outbox yet$/);
});

test("the status is a line a subscription, with the relays that have its lanes", () => {
  const [alive, gone] = ["0bce13a7-0000-4000-8000-000000000000", "1f3a9c2e-0000-4000-8000-000000000000"];
  const nodes = nodesOf([{ incarnation: alive, name: "relay-1", beat: 5, fenced: false, runs: [] }]);
  const lanes = Array.from({ length: 64 }, (_, lane) => [
    { subscription: "mailer", lane, owner: lane < 32 ? alive : gone, epoch: 3 },
    { subscription: "audit", lane, owner: null, epoch: 1 },
  ]).flat();
  const none = { waiting: 0, late: 0, parked: 0, skipped: 0 };
  const standings = [
    { subscription: "audit", pending: 0, oldestPendingMs: 0, ...none },
    { subscription: "mailer", pending: 1_234, oldestPendingMs: 12_300, waiting: 3, late: 1, parked: 2, skipped: 0 },
  ];
  assert.equal(
    printStandings(standings, lanes, { nodes, gone: new Set([gone]) }),
    `\
SUBSCRIPTION  PENDING  OLDEST  WAITING  LATE  PARKED  SKIPPED  LANES
audit         0        -       0        0     0       0        nobody 64
mailer        1234     12.3 s  3        1     2       0        1f3a9c2e (gone) 32, relay-1/0bce13a7 32`,
  );
  assert.equal(printStandings([], [], { nodes, gone: new Set() }), "no subscription has read this outbox yet");
});
