/**
 * Crash points of a relay, enumerated where it meets the world: the log that it reads and the sink, and in the sink the consumer's own transaction.
 * Each call of a port is two points, before and after. Nothing in the code under test knows of them.
 */
import type { OpenTransaction } from "tripact/barrier";
import type { OutboxLog, Sink } from "tripact/relay";
import type { Lanes, Messages, Retries } from "../../src/stores/outbox-log.ts";
import type { Membership } from "../../src/stores/store.ts";
import { around, type Pass } from "../crash/points.ts";

export function watchedLog(log: OutboxLog, pass: Pass): OutboxLog {
  return {
    features: log.features,
    lanes: watchedLanes(log.lanes, pass),
    messages: watchedMessages(log.messages, pass),
    retries: watchedRetries(log.retries, pass),
    desk: log.desk,
    membership: watchedMembership(log.membership, pass),
    connect: () => log.connect(),
    health: () => log.health(),
    announce: () => log.announce(),
    close: () => around(pass, "log.close", () => log.close()),
  };
}

export function watchedSink(sink: Sink, pass: Pass): Sink {
  return {
    features: sink.features,
    deliver: (messages, signal) => around(pass, messages[0]?.attempt === 1 ? "sink.deliver" : "sink.deliver again", () => sink.deliver(messages, signal)),
    close: () => sink.close(),
  };
}

/** The consumer's transaction: the inbox's row, the effect, and the commit of both. */
export function watchedTransactions(open: OpenTransaction, pass: Pass): OpenTransaction {
  return (work) =>
    around(pass, "consumer's transaction", () =>
      open(async (db) => {
        const result = await work({
          execute: (text, values) => around(pass, text.includes("tripact.inbox") ? "consumer's inbox" : "consumer's effect", () => db.execute(text, values)),
        });
        pass("before consumer's commit");
        return result;
      }),
    );
}

function watchedLanes(lanes: Lanes, pass: Pass): Lanes {
  return {
    claim: (claim) => around(pass, "lanes.claim", () => lanes.claim(claim)),
    release: (release) => around(pass, "lanes.release", () => lanes.release(release)),
    list: (name) => lanes.list(name),
  };
}

function watchedMessages(messages: Messages, pass: Pass): Messages {
  return {
    async read(query) {
      pass("before messages.read");
      const page = await messages.read(query);
      pass(`after messages.read, ${page.messages.length === 0 ? "nothing" : "some"}`);
      return page;
    },
    settle: (settlement) => around(pass, `messages.settle${settlement.copies.length > 0 ? ", copies" : ""}`, () => messages.settle(settlement)),
    tidy: (keepMs) => around(pass, "messages.tidy", () => messages.tidy(keepMs)),
  };
}

function watchedRetries(retries: Retries, pass: Pass): Retries {
  return {
    held: (query) => around(pass, "retries.held", () => retries.held(query)),
    next: (query) => around(pass, "retries.next", () => retries.next(query)),
    record: (record) => around(pass, `retries.record ${[...new Set(record.retried.map(({ state }) => state))].join("+")}`, () => retries.record(record)),
  };
}

function watchedMembership(membership: Membership, pass: Pass): Membership {
  return {
    join: (node) => around(pass, "membership.join", () => membership.join(node)),
    beat: (incarnation) => around(pass, "membership.beat", () => membership.beat(incarnation)),
    probe: (incarnation) => around(pass, "membership.probe", () => membership.probe(incarnation)),
    fence: (incarnation) => around(pass, "membership.fence", () => membership.fence(incarnation)),
    leave: (incarnation) => around(pass, "membership.leave", () => membership.leave(incarnation)),
    announce: (what) => membership.announce(what),
    listen: (hear) => membership.listen(hear),
  };
}

