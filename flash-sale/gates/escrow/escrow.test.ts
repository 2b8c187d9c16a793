import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { StockDoor } from "../../contracts.ts";
import { until } from "../../gateway/stand-ins/gateway.ts";
import { stockStandIn, TOKEN, type StockStandIn } from "../../gateway/stand-ins/stand-ins.ts";
import { asking, type Asking } from "../../service/ask.ts";
import type { Admission, Gate } from "../gate.ts";
import { openEscrow } from "./escrow.ts";

let stock: StockStandIn;
let asked: Asking<StockDoor>;
let gate: Gate;
/** The gate's clock; it stands still until it is moved. */
let now: number;
beforeEach(async () => {
  now = 1_000;
  stock = await stockStandIn();
  asked = asking<StockDoor>(stock.url, TOKEN);
});
afterEach(async () => {
  await gate.stop();
  await asked.close();
  await stock.close();
});

const open = (chunkUnits: number): Gate => openEscrow({ stock: asked, gateway: "g", chunkUnits, clock: () => now, onError: () => undefined });
const kindOf = async (units = 1): Promise<string> => (await gate.admit("lamp", units)).kind;
const admission = async (units = 1): Promise<Admission> => {
  const admitted = await gate.admit("lamp", units);
  assert.equal(admitted.kind, "admitted");
  return (admitted as { admission: Admission }).admission;
};
const times = (path: string): number => stock.asked.filter((one) => one === path).length;
const quiet = async (): Promise<void> => {
  let seen = -1;
  await until("no more leases come", async () => {
    const before = seen;
    seen = stock.asked.length;
    await asked.ask("/stock/levels", { sku: "lamp" });
    return stock.asked.length === before + 2;
  });
};

describe("escrow", () => {
  it("admits every unit that there is, and not one more, however many ask at once", async () => {
    stock.free.set("lamp", 37);
    gate = open(4);
    const kinds = await Promise.all(Array.from({ length: 200 }, () => kindOf()));
    assert.equal(kinds.filter((kind) => kind === "admitted").length, 37);
    assert.equal(kinds.filter((kind) => kind === "sold-out").length, 163);
    assert.ok(times("/stock/lease-chunk") < 30, "those who wait share the questions");
  });

  it("spreads over chunks, never more than eight, and leases before it has sold all", async () => {
    stock.free.set("lamp", 10_000);
    gate = open(10);
    const chunks = new Set<string | null>();
    let waited = 0;
    for (let sold = 0; sold < 300; sold += 1) {
      const admitted = gate.admit("lamp", 1);
      if (admitted instanceof Promise) waited += 1;
      const one = await admitted;
      if (one.kind === "admitted") chunks.add(one.admission.chunk);
      if (sold % 5 === 0) await quiet();
    }
    assert.equal(waited, 1, "only the first one");
    assert.ok(chunks.size >= 30, String(chunks.size));
    const left = [...stock.chunks.values()].reduce((sum, units) => sum + units, 0) - 300;
    assert.ok(left <= 80, `${left} units in hand`);
  });

  it("gives units of a chunk that it still has to the next buyer, at once", async () => {
    stock.free.set("lamp", 1);
    gate = open(8);
    const one = await admission();
    assert.equal(await kindOf(), "sold-out");
    gate.giveBack(one);
    assert.deepEqual(await admission(), one);
    assert.equal(await kindOf(), "sold-out");
  });

  it("remembers for 200 ms that all is sold out; then units that came back are found", async () => {
    gate = open(8);
    assert.equal(await kindOf(), "sold-out");
    stock.free.set("lamp", 3);
    const leases = times("/stock/lease-chunk");
    const atOnce = gate.admit("lamp", 1);
    assert.ok(!(atOnce instanceof Promise));
    assert.equal(atOnce.kind, "sold-out");
    now += 199;
    assert.equal(await kindOf(), "sold-out");
    assert.equal(times("/stock/lease-chunk"), leases);
    // The last word stands while it is asked again, and for 2 s at most.
    now += 1;
    assert.equal(await kindOf(), "sold-out");
    await until("the units that came back are leased", async () => (await kindOf()) === "admitted");
    assert.deepEqual([await kindOf(), await kindOf(), await kindOf()], ["admitted", "admitted", "sold-out"]);
    now += 2_200;
    stock.free.set("lamp", 1);
    assert.equal(await kindOf(), "admitted");
  });

  it("finds a chunk that is large enough for whoever wants several", async () => {
    stock.free.set("lamp", 30);
    gate = open(3);
    assert.equal((await admission(1)).units, 1);
    assert.equal((await admission(10)).units, 10);
  });

  it("tells nobody sold out when nobody knows: overloaded, then it asks again", async () => {
    stock.free.set("lamp", 5);
    stock.failing = new Set(["/stock/lease-chunk"]);
    gate = open(8);
    assert.equal(await kindOf(), "overloaded");
    const leases = times("/stock/lease-chunk");
    assert.equal(await kindOf(), "overloaded");
    assert.equal(times("/stock/lease-chunk"), leases, "not at once");
    stock.failing = new Set();
    now += 200;
    assert.equal(await kindOf(), "admitted");
  });

  it("lets so many wait, and no more", async () => {
    stock.free.set("lamp", 10_000);
    const leased = Promise.withResolvers<void>();
    stock.gate = leased.promise;
    gate = open(1_000);
    const waiting = Array.from({ length: 512 }, () => kindOf());
    const next = gate.admit("lamp", 1);
    assert.ok(!(next instanceof Promise));
    assert.equal(next.kind, "overloaded");
    leased.resolve();
    for (const kind of await Promise.all(waiting)) assert.equal(kind, "admitted");
    assert.ok(times("/stock/lease-chunk") <= 3);
  });
});

describe("a chunk's end", () => {
  it("by its own clock: after a pause nothing is sold from what the stock may have given to others", async () => {
    stock.free.set("lamp", 100);
    stock.leaseMs = 60_000;
    gate = open(10);
    const { chunk } = await admission();
    await quiet();
    assert.equal((await admission()).chunk, chunk);
    // The process was paused: no heartbeat was sent, and none has been answered.
    const beats = times("/stock/renew-chunks");
    now += 60_000;
    const sold = await admission();
    assert.notEqual(sold.chunk, chunk);
    assert.equal(times("/stock/renew-chunks"), beats);
  });

  it("a lease whose answer comes after a pause is not sold from either", async () => {
    stock.free.set("lamp", 10);
    stock.leaseMs = 1_000;
    const leased = Promise.withResolvers<void>();
    stock.gate = leased.promise;
    gate = open(10);
    const admitted = gate.admit("lamp", 1);
    await until("it is asked for", () => times("/stock/lease-chunk") === 1);
    now += 800;
    leased.resolve();
    // Ten units are in that chunk, and none free: the clock has ended it.
    assert.equal((await admitted).kind, "sold-out");
  });

  it("heartbeats keep a chunk; one that the stock does not name is dropped", async () => {
    stock.free.set("lamp", 1_000_000);
    // Its third is no whole number; a heartbeat has so long for its answer.
    [stock.leaseMs, stock.chunkUnitsMax] = [400, 1_000_000];
    gate = open(1_000_000);
    const { chunk } = await admission();
    await until("it was renewed", () => stock.renewed.some((ids) => ids.includes(chunk ?? "")));
    now += 240;
    const renewals = stock.renewed.length;
    // One may have been on its way when the clock was moved, and the last one need not have been heard.
    await until("it was renewed again, and that was heard", () => stock.renewed.length > renewals + 2);
    now += 240;
    assert.equal((await admission()).chunk, chunk, "longer ago than a lease without a heartbeat");
    stock.chunks.clear();
    stock.free.set("lamp", 0);
    await until("it was dropped, with more units in it than anybody has asked for", async () => (await kindOf()) === "sold-out");
  });

  it("heartbeats that are not answered keep nothing", async () => {
    stock.free.set("lamp", 10);
    stock.leaseMs = 90;
    stock.failing = new Set(["/stock/renew-chunks"]);
    gate = open(10);
    await admission();
    await until("it was asked for", () => times("/stock/renew-chunks") > 2);
    now += 68;
    assert.equal(await kindOf(), "sold-out");
  });

  it("what nobody takes goes back, so that rests become units for others", async () => {
    stock.free.set("lamp", 10);
    stock.leaseMs = 90;
    gate = open(10);
    await admission();
    now += 5_001;
    await until("it was ended", () => stock.chunks.size === 0);
    assert.equal(times("/stock/end-chunks"), 1);
  });

  it("stop ends all chunks; stopped, it admits nobody", async () => {
    stock.free.set("lamp", 100);
    gate = open(10);
    await admission();
    await quiet();
    await gate.stop();
    assert.equal(stock.chunks.size, 0);
    assert.equal(await kindOf(), "overloaded");
    await gate.stop();
  });
});

it("what remains is the stock's word, and the last one when it does not answer", async () => {
  stock.free.set("lamp", 10);
  gate = open(4);
  assert.equal(await gate.remaining("lamp"), 10);
  await admission();
  stock.free.set("lamp", 3);
  assert.equal(await gate.remaining("lamp"), 10, "not older than half a second");
  now += 500;
  assert.equal(await gate.remaining("lamp"), 7);
  stock.failing = new Set(["/stock/levels"]);
  now += 500;
  assert.equal(await gate.remaining("lamp"), 7);
});
