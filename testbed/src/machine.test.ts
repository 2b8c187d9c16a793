import assert from "node:assert/strict";
import test from "node:test";
import { describeMachine, machineText } from "./machine.ts";

const machine = { cpu: "Example CPU", cores: 2, memoryGb: 8, system: "Linux 6.1", fileSystem: "ext4", onTmpfs: false };

test("a machine in two lines, and a third where its figures say nothing about durability", () => {
  const text = machineText(machine, ["Node 26.10.0", "PostgreSQL 18.4"]);
  assert.equal(text, "Example CPU, 2 cores, 8 GB, Linux 6.1; data on ext4\nNode 26.10.0, PostgreSQL 18.4");
  assert.match(machineText({ ...machine, fileSystem: "tmpfs", onTmpfs: true }, []), /\nWARNING: the data lies in memory/);
});

test("this machine", () => {
  const { cores, fileSystem, onTmpfs } = describeMachine("/var/tmp");
  assert.ok(cores >= 1);
  assert.equal(onTmpfs, fileSystem === "tmpfs");
  assert.throws(() => describeMachine("/no/such/folder"), { code: "ENOENT" });
});
