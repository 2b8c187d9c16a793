import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { startProxy } from "@tripact/testbed";
import type { Wire, WirePlan } from "../../platform/network/wires.ts";
import { FAULTS, faultNamed } from "../all.ts";
import type { Heal } from "../fault.ts";
import { Interruption } from "./second-step.ts";
import { EVERY_WIRE } from "./wire.ts";

// Real sockets through the real proxies of a fault's wires, all of which lead to one participant that says what it has done.

const ORDERS = Array.from({ length: 16 }, (_, index) => index.toString(16).repeat(32));

let done: string[];
const participant = createServer((asked, response) => {
  done.push(asked.url ?? "");
  response.end(`done ${asked.url}`);
});
/** Connections that are kept, as the services keep them. */
const agent = new Agent({ keepAlive: true });
let wires: Wire[];
let healing: Heal | undefined;
before(async () => {
  participant.listen(0, "127.0.0.1");
  await once(participant, "listening");
});
beforeEach(async () => {
  done = [];
  wires = [];
});
afterEach(async () => {
  await healing?.();
  healing = undefined;
  agent.destroy();
  for (const { proxy } of wires) await proxy.close();
});
after(() => participant.close());

async function lay(plans: readonly WirePlan[]): Promise<void> {
  for (const { from, to } of plans) {
    wires.push({ from, to, toName: to, proxy: await startProxy({ target: { host: "127.0.0.1", port: (participant.address() as AddressInfo).port } }) });
  }
}

async function inject(name: string, victim: string, random: () => number = () => 0): Promise<Heal> {
  const fault = faultNamed(name) ?? assert.fail(name);
  assert.ok(fault.victimsIn("saga").includes(victim), `${name} may hit ${victim}`);
  const scene = { platform: { processes: new Map(), wires }, databases: { proxy: undefined, disk: undefined, primary: { pid: 1, url: () => "", crash: () => Promise.resolve() } } };
  healing = await fault.inject({ ...scene, watch: { timeline: [], state: "watching" }, random }, victim);
  return healing;
}

function proxyTo(to: string, from = "orders") {
  const wire = wires.find((each) => each.from === from && each.to === to);
  assert.ok(wire, `${from} to ${to}`);
  return wire.proxy;
}

/** The answer, or the error's code. `silent` where none came within the time. */
async function ask(to: string, path: string, { headers = {}, timeoutMs = 20_000, from }: { readonly headers?: Record<string, string>; readonly timeoutMs?: number; readonly from?: string } = {}): Promise<string> {
  const asked = request({ host: "127.0.0.1", port: proxyTo(to, from).port, path, headers, agent, signal: AbortSignal.timeout(timeoutMs) });
  try {
    asked.end();
    const [response] = await once(asked, "response");
    return await text(response);
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    return name === "AbortError" ? "silent" : (code ?? name);
  }
}

const wiresOf = (name: string): readonly WirePlan[] => faultNamed(name)?.wires ?? assert.fail(name);

/** Long enough for an answer that comes, and no more: what is silent is silent for ever. */
const SILENT = { timeoutMs: 2_000 };

test("each names wires, and heals all that it has hit", () => {
  const onWires = FAULTS.filter(({ wires: plans, needsRoot }) => plans.length > 0 && !needsRoot);
  assert.deepEqual(onWires.map(({ name }) => name), ["partition", "delay", "bandwidth", "reset", "half-open", "black-hole", "cut-after-reply", "second-step-interrupted"]);
  for (const { name, holdMs, mechanism } of onWires) assert.ok(holdMs > 0 && /TCP prox(y|ies)/.test(mechanism), name);
});

test("delay: no answer is there before 400 ms on any wire, and all come", async () => {
  await lay(wiresOf("delay"));
  const pairs = wires.map(({ from, to }) => `${from} ${to}`);
  assert.deepEqual(pairs.toSorted(), ["gateway orders", "gateway stock", "orders payment", "orders stock", "payment orders", "relay orders", "relay payment", "relay stock", "stock orders"]);
  const heal = await inject("delay", EVERY_WIRE);
  const fromMs = performance.now();
  const answers = wires.map(async ({ from, to }) => {
    const answer = await ask(to, `/${from}`, { from });
    // A timer may come a millisecond early.
    assert.ok(performance.now() - fromMs >= 398, `${from} to ${to} was answered after ${performance.now() - fromMs} ms`);
    return answer;
  });
  assert.deepEqual(await Promise.all(answers), wires.map(({ from }) => `done /${from}`));
  await heal();
  await heal();
  assert.equal(await ask("stock", "/healed"), "done /healed");
});

test("bandwidth: more than the wire carries is under way for long; at the heal it is there", async () => {
  await lay(wiresOf("bandwidth"));
  const heal = await inject("bandwidth", "stock");
  // 12,000 bytes of header on a wire of 4,096 bytes a second.
  const large = ask("stock", "/large", { headers: { "x-large": "x".repeat(12_000) } });
  assert.equal(await ask("payment", "/beside"), "done /beside");
  assert.deepEqual(done, ["/beside"]);
  await heal();
  await heal();
  assert.equal(await large, "done /large");
});

test("reset: who has a connection loses it, who wants one gets none, and nothing arrives", async () => {
  await lay(wiresOf("reset"));
  assert.equal(await ask("payment", "/opens"), "done /opens");
  const heal = await inject("reset", "payment");
  assert.equal(await ask("payment", "/kept"), "ECONNRESET");
  assert.equal(await ask("payment", "/new"), "ECONNRESET");
  assert.equal(await ask("stock", "/beside"), "done /beside");
  await heal();
  await heal();
  assert.equal(await ask("payment", "/healed"), "done /healed");
  assert.deepEqual(done, ["/opens", "/beside", "/healed"]);
});

test("half-open: the open connection is silent, a new one passes; what was held arrives at the heal", async () => {
  await lay(wiresOf("half-open"));
  assert.equal(await ask("stock", "/opens"), "done /opens");
  const heal = await inject("half-open", "stock");
  const kept = ask("stock", "/kept");
  assert.equal(await ask("stock", "/new"), "done /new");
  assert.deepEqual(done, ["/opens", "/new"]);
  await heal();
  await heal();
  assert.equal(await kept, "done /kept");
});

test("black hole: what is asked is done, on open connections and new ones, and no answer comes before the heal", async () => {
  await lay(wiresOf("black-hole"));
  assert.equal(await ask("payment", "/opens"), "done /opens");
  const heal = await inject("black-hole", "payment");
  assert.equal(await ask("payment", "/kept", SILENT), "silent");
  const late = ask("payment", "/late");
  assert.equal(await ask("payment", "/new", SILENT), "silent");
  assert.deepEqual(done.toSorted(), ["/kept", "/late", "/new", "/opens"]);
  await heal();
  await heal();
  assert.equal(await late, "done /late");
});

test("cut after reply: it is done, and its caller hears a reset, so many times and no more", async () => {
  await lay(wiresOf("cut-after-reply"));
  const heal = await inject("cut-after-reply", "payment");
  const answers: string[] = [];
  for (let asked = 0; asked < 25; asked += 1) answers.push(await ask("payment", `/${asked}`));
  assert.deepEqual(answers, [...Array.from({ length: 20 }, () => "ECONNRESET"), ...[20, 21, 22, 23, 24].map((asked) => `done /${asked}`)]);
  assert.equal(done.length, 25);
  await heal();
  const again = await inject("cut-after-reply", "payment", () => 1);
  // The next cut is a pause away.
  assert.deepEqual([await ask("payment", "/cut"), await ask("payment", "/passes")], ["ECONNRESET", "done /passes"]);
  await again();
  await again();
  assert.equal(await ask("payment", "/healed"), "done /healed");
});

test("one that has found nothing to hit says so when it is healed, and is healed all the same", async () => {
  for (const name of ["cut-after-reply", "second-step-interrupted"]) {
    await lay(wiresOf(name));
    const heal = await inject(name, "payment");
    await assert.rejects(heal(), { code: "nothing-to-hit" });
    assert.equal(await ask("payment", "/healed"), "done /healed");
  }
});

test("second step interrupted: an order that is drawn never gets through, another one does, both as often as they ask", async () => {
  await lay(wiresOf("second-step-interrupted"));
  // In the order in which they ask: cut before it arrives, cut after it was done, spared.
  const drawn = [0.1, 0.3, 0.9].values();
  const heal = await inject("second-step-interrupted", "payment", () => drawn.next().value ?? assert.fail("drawn once for each order"));
  const [early, late, spared] = ORDERS;
  const answersTo = async (order: string | undefined, named: string): Promise<string> => ask("payment", `/${named}`, { headers: { [named]: order ?? "" } });
  for (const named of ["tripact-gid", "ce-subject"]) {
    done = [];
    assert.equal(await answersTo(early, named), "ECONNRESET");
    assert.deepEqual(done, []);
    assert.equal(await answersTo(late, named), "ECONNRESET");
    assert.deepEqual(done, [`/${named}`]);
    assert.equal(await answersTo(spared, named), `done /${named}`);
  }
  assert.equal(await ask("payment", "/nobody's"), "done /nobody's");
  await heal();
  await heal();
  assert.equal(await answersTo(early, "tripact-gid"), "done /tripact-gid");
});

test("second step interrupted: so many, and of so short a time, that every payment window passes before the heal", () => {
  const naming = (order: string): Buffer => Buffer.from(`POST /naive/bill HTTP/1.1\r\n\r\n{"orderId":"${order}"}`);
  let nowMs = 0;
  const judge = new Interruption(() => 0, nowMs).judge(() => nowMs);
  assert.equal(judge("to-server", naming(ORDERS[0] ?? "")), "cut");
  nowMs = 2_501;
  assert.equal(judge("to-server", naming(ORDERS[0] ?? "")), "cut");
  assert.equal(judge("to-server", naming(ORDERS[1] ?? "")), "forward");
  const many = new Interruption(() => 0, nowMs).judge(() => nowMs);
  const verdicts = Array.from({ length: 60 }, (_, index) => many("to-server", naming(index.toString(16).padStart(32, "0"))));
  assert.equal(verdicts.filter((verdict) => verdict === "cut").length, 40);
  assert.deepEqual(verdicts.slice(40).filter((verdict) => verdict === "cut"), []);
});

test("where no wire leads there is nothing to hit, and what breaks half is healed", async () => {
  await lay(wiresOf("reset").filter(({ to }) => to === "stock"));
  await assert.rejects(inject("reset", "payment"), { code: "nothing-to-hit" });
  const second = wires.find(({ from }) => from === "relay") ?? assert.fail();
  second.proxy.reset = () => Promise.reject(new Error("no"));
  await assert.rejects(inject("reset", "stock"), /no/);
  assert.equal(await ask("stock", "/still"), "done /still");
});
