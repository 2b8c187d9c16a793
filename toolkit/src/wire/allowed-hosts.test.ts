import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allowedHosts, guardedLookup, mayStandFor } from "./allowed-hosts.ts";
import type { AllowHosts } from "./allowed-hosts.ts";

function allows(hosts: AllowHosts | undefined, url: string): boolean {
  const { hostname, port } = new URL(url);
  return allowedHosts(hosts)({ hostname, port: Number(port) });
}

describe("allowed hosts", () => {
  it("are this machine's, unless said otherwise, however it is written", () => {
    for (const host of ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "017700000001"]) {
      assert.ok(allows(undefined, `http://${host}:8080/`), host);
    }
    for (const host of ["10.0.0.1", "169.254.169.254", "0.0.0.0", "[::]", "localhost.evil.example", "127.0.0.1.nip.example", "localhost.", "[fe80::1]"]) {
      assert.ok(!allows(undefined, `http://${host}:8080/`), host);
    }
  });

  it("are named with their port", () => {
    const hosts = ["Payments.Internal:8443", "stock:*", "[2001:db8::1]:80"];
    assert.ok(allows(hosts, "http://payments.internal:8443/"));
    assert.ok(!allows(hosts, "http://payments.internal:8444/"));
    assert.ok(allows(hosts, "http://stock:1234/"));
    assert.ok(!allows(hosts, "http://stock.evil:1234/"));
    assert.ok(!allows(hosts, "http://localhost:1234/"), "a list says all that is allowed");
    assert.ok(!allows([], "http://localhost:1234/"));
  });

  it("are refused when they cannot be meant", () => {
    for (const entry of ["stock", "http://stock:80", "stock:", "stock:http", "user@stock:80", "*", "::1:80", "", "stock:80/x"]) {
      assert.throws(() => allowedHosts([entry]), { code: "invalid-option" }, entry);
    }
  });
});

describe("an address behind an allowed name", () => {
  it("is never the metadata service's, and localhost never leaves the machine", () => {
    for (const address of ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "::", "fe80::1", "fd00:ec2::254"]) {
      assert.ok(!mayStandFor("stock.example", address), address);
    }
    for (const address of ["10.0.0.7", "127.0.1.1", "2001:db8::1", "192.168.1.1"]) assert.ok(mayStandFor("stock.example", address), address);
    assert.ok(mayStandFor("localhost", "127.0.0.1") && mayStandFor("localhost", "::1"));
    assert.ok(!mayStandFor("localhost", "10.0.0.7"));
  });

  it("is looked up in both of the forms that a socket asks for", async () => {
    const one = await new Promise((resolve) => guardedLookup("localhost", {}, (_error, address) => resolve(address)));
    assert.ok(one === "127.0.0.1" || one === "::1");
    const all = await new Promise((resolve) => guardedLookup("localhost", { all: true }, (_error, addresses) => resolve(addresses)));
    assert.ok(Array.isArray(all) && all.length > 0);
  });
});
