import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { describeTransport, sampleCall } from "../conformance.ts";
import type { ConformanceOps, OpenTransport } from "../conformance.ts";
import { httpParticipant, httpParticipants, httpTransport, participantHandler } from "./index.ts";
import type { ParticipantHandler } from "./index.ts";

const secret = "both sides know this secret";
const routes = { "/wallet": { try: async () => "held", confirm: async () => undefined, cancel: async () => undefined } };

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function serve(ops: ConformanceOps): ParticipantHandler {
  return participantHandler({ secrets: [secret], routes: { "/participants/all": ops } });
}

describeTransport("http", async (ops): Promise<OpenTransport> => {
  const server = createServer(serve(ops));
  const url = `http://127.0.0.1:${await listen(server)}/participants/all`;
  return { transport: httpTransport({ url, secret }), close: () => close(server) };
});

// For this test only, good until 2120: nothing but a server on loopback ever shows it.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBYzCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEOHB+sYCglhQqvq
HQmyYKFXwOduUl0Nb4bNew2sk/V43ECdN5bjRkKskvdcxV66gyI6PDYWSMCJiaby
+mZ2H1WjSzBJMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMEBTAD
AQH/MB0GA1UdDgQWBBQmbOQYuvQnTpzhhGlM+y/5zOY26DAKBggqhkjOPQQDAgNH
ADBEAiA8FjAF7C3CWf5ttAC/AvPRCR+02GrRcd9+PxRk9DCG9gIgVHY+kPsSVlhG
/TNm5LZe67UPmGcpSLt9g9csxrjlDaE=
-----END CERTIFICATE-----`;
const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0ufgYFraorqnN+bD
VkUYkCW7OqyzzK9qBJ1J0SFNRhahRANCAARDhwfrGAoJYUKr6h0JsmChV8DnblJd
DW+GzXsNrJP1eNxAnTeW40ZCrJL3XMVeuoMiOjw2FkjAiYmm8vpmdh9V
-----END PRIVATE KEY-----`;

describe("over https", () => {
  const server = createSecureServer({ cert: certificate, key: privateKey }, participantHandler({ secrets: [secret], routes }));
  let url = "";
  before(async () => {
    url = `https://127.0.0.1:${await listen(server)}/wallet`;
  });
  after(() => close(server));

  const ask = async (tls: { ca?: string; servername?: string }) => {
    const transport = httpTransport({ url, secret, tls });
    try {
      return await transport.call(sampleCall({ op: "try" }), new AbortController().signal);
    } finally {
      await transport.close();
    }
  };

  it("a participant under a private authority is done", async () => {
    assert.deepEqual(await ask({ ca: certificate }), { kind: "done", result: "held" });
  });

  it("a certificate that nobody vouches for, or for another host, is unknown before anything is sent", async () => {
    for (const tls of [{}, { ca: certificate, servername: "payments.example" }]) {
      const answer = await ask(tls);
      assert.ok(answer.kind === "unknown");
      assert.equal(answer.code, "tls");
    }
  });
});

describe("a participant at a URL", () => {
  const url = "http://127.0.0.1:9/wallet";

  it("is known to the journal by its name, or by its URL", () => {
    assert.equal(httpParticipant({ kind: "tcc", url, secret }).target, url);
    assert.equal(httpParticipant({ kind: "tcc", url, secret, name: "wallet" }).target, "wallet");
  });

  it("is guarded unless it says how to look its effects up", () => {
    const lookup = { ask: async () => true, settleMs: 1_000 };
    assert.equal(httpParticipant({ kind: "saga", url, secret }).guard, "barrier");
    const bare = httpParticipant({ kind: "saga", url, secret, unguarded: lookup, timeoutMs: 500 });
    assert.deepEqual([bare.guard, bare.lookup, bare.timeoutMs], ["unguarded", lookup, 500]);
  });

  it("has the type of what it takes and gives", () => {
    const wallet = httpParticipant<{ cents: number }, { hold: string }>({ kind: "tcc", url, secret });
    const kind: "tcc" = wallet.kind;
    assert.equal(kind, "tcc");
    type Held = ReturnType<NonNullable<typeof wallet.types>>;
    const held: Held = { hold: "h1" };
    // @ts-expect-error the result has no such member
    assert.equal(held.amount, undefined);
    // @ts-expect-error a kind that there is not
    assert.equal(httpParticipant({ kind: "sagas", url, secret }).target, url);
  });

  it("is found by its URL if it is allowed and has a secret", () => {
    const find = httpParticipants({ secretOf: ({ pathname }) => (pathname === "/stranger" ? undefined : secret) });
    assert.equal(find(url)?.target, url);
    const others = ["wallet", "", "ftp://127.0.0.1/wallet", "http://10.0.0.1/wallet", "http://127.0.0.1:9/stranger", "http://u:p@127.0.0.1:9/wallet", `${url}?a`];
    for (const target of others) assert.equal(find(target), undefined, target);
  });

  it("is looked for under options that can be meant", () => {
    assert.throws(() => httpParticipants({ secretOf: () => secret, allowHosts: ["wallet"] }), { code: "invalid-option" });
    assert.throws(() => httpParticipants({ secretOf: () => secret, connectTimeoutMs: -1 }), { code: "invalid-option" });
  });
});
