import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { signal, untilGone } from "../leash/kill-whole.ts";
import type { LeashedProcess } from "../leash/leash.ts";
import { losePackets } from "./firewall.ts";
import { inPrivateNetwork, spawnInPrivateNetwork, whyNoPrivateNetwork } from "./private-network.ts";
import { rulesetOf } from "./ruleset.ts";
import { rowsOf } from "./sockets.ts";

const FIXTURE = fileURLToPath(import.meta.resolve("./network.fixture.ts"));

interface Report {
  readonly inPrivateNetwork: boolean;
  readonly network: string;
  readonly child?: number;
  readonly ways?: Readonly<Record<string, boolean>>;
  readonly arrived?: number;
  readonly oneConnection?: Readonly<Record<string, boolean>>;
}

async function started(t: TestContext, ...args: readonly string[]): Promise<{ readonly inside: LeashedProcess; readonly report: Report } | undefined> {
  const why = await whyNoPrivateNetwork();
  if (why !== undefined) {
    t.skip(why);
    return undefined;
  }
  const inside = await spawnInPrivateNetwork({ command: process.execPath, args: [...process.execArgv, FIXTURE, ...args], stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => inside.killWhole());
  assert.ok(inside.stdout);
  const { value } = await createInterface({ input: inside.stdout })[Symbol.asyncIterator]().next();
  return { inside, report: JSON.parse(value ?? "{}") as Report };
}

test("in a private network packets are lost as told: to a port, from it, of one connection, or some of a hundred", async (t) => {
  const { report } = (await started(t)) ?? {};
  if (report === undefined) return;
  assert.equal(report.inPrivateNetwork, true);
  assert.notEqual(report.network, readlinkSync("/proc/self/ns/net"));
  assert.deepEqual(report.ways, { before: true, "answered while answers are lost": false, "asked while questions are lost": false, after: true, "knows where it listens": true });
  assert.deepEqual(report.oneConnection, { silenced: true, other: true, healed: true });
  // Of 2,000, on average 100 are lost, with a deviation of 10; no more than seven of these away.
  const lost = 2_000 - (report.arrived ?? 0);
  assert.ok(lost >= 30 && lost <= 170, `${lost} of 2,000 were lost`);
});

test("killed, it leaves neither a process nor its network", async (t) => {
  const { inside, report } = (await started(t, "--stay")) ?? {};
  if (report === undefined || inside === undefined) return;
  const members = membersOf(report.network);
  assert.ok(members.includes(inside.pid) && report.child !== undefined && members.includes(report.child), `${members.join()} in ${report.network}`);
  signal(inside.pid, "SIGKILL");
  await untilGone(members);
  assert.deepEqual(membersOf(report.network), []);
});

test("nothing is lost in the machine's own network, whatever is asked", async () => {
  assert.equal(inPrivateNetwork(), false);
  await assert.rejects(losePackets({ packets: [{ kind: "to", port: 1 }] }), { name: "FirewallError", code: "not-private" });
});

test("only ports and shares get into a ruleset", () => {
  for (const port of [0, 65_536, 1.5, Number.NaN]) assert.throws(() => rulesetOf("t", { packets: [{ kind: "to", port }] }), { code: "invalid-input" });
  for (const percent of [0, 101, 2.5]) assert.throws(() => rulesetOf("t", { percent, packets: [{ kind: "to", port: 9 }] }), { code: "invalid-input" });
  assert.throws(() => rulesetOf("t", { packets: [] }), { code: "invalid-input" });
});

test("the kernel's table of sockets: ports from hexadecimal, of either address family", () => {
  const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
  const listens = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";
  const calls = "   1: 0000000000000000FFFF00000100007F:A3C4 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 678 1 0000000000000000 20 4 30 10 -1";
  assert.deepEqual(rowsOf(`${heading}\n${listens}\n${calls}\n`), [
    { localPort: 8_080, remotePort: 0, state: "0A", inode: "12345" },
    { localPort: 41_924, remotePort: 8_080, state: "01", inode: "678" },
  ]);
});

/** Every process that is in it, zombies left out: they are in none. */
function membersOf(network: string): number[] {
  return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
    try {
      return readlinkSync(`/proc/${entry}/ns/net`) === network ? Number(entry) : [];
    } catch {
      return []; // it has ended
    }
  });
}
