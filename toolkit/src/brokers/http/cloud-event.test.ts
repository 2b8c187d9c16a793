import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { describe, it } from "node:test";
import { sampleEnvelope } from "../conformance.ts";
import { decodeAttribute, encodeAttribute } from "./attributes.ts";
import { decodeEvent, encodeEvent } from "./cloud-event.ts";

const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;

describe("an attribute in a header", () => {
  it("is encoded as the binding's own example", () => {
    assert.equal(encodeAttribute("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
  });

  it("keeps every printable character but space, double quote and percent sign", () => {
    const printable = Array.from({ length: 94 }, (_, n) => String.fromCharCode(0x21 + n)).join("");
    assert.equal(encodeAttribute(printable), printable.replace("%", "%25").replace('"', "%22"));
    assert.equal(encodeAttribute(" \u0000\u007f\u0085"), "%20%00%7F%C2%85");
  });

  it("is decoded once, in either case, quoted by an older sender or not", () => {
    for (const [text, value] of [["%e2%82%ac", "€"], ["%41bc", "Abc"], ["%2541", "%41"], ['"a \\"b\\" \\\\ %20c"', 'a "b" \\  c'], ["plain", "plain"], ['"', '"']] as const) {
      assert.equal(decodeAttribute("subject", text), value, text);
    }
  });

  it("is refused when it is no UTF-8", () => {
    for (const text of ["%C0%A0", "%ff", "100%", "%zz", "%ED%A0%80"]) {
      assert.throws(() => decodeAttribute("subject", text), { code: "invalid-input", where: "ce-subject" }, text);
    }
  });
});

describe("a message as a binary request", () => {
  it("has its attributes in headers and its payload for a body", () => {
    const envelope = sampleEnvelope({
      id: "m1", key: "订单 1", attempt: 3, payload: '{ "a": 1.0 }', headers: { tenant: "acme", "X-Region": "eu", traceparent, tracestate: "v=1" },
    });
    const { headers, body } = encodeEvent(envelope, "binary");
    assert.deepEqual(headers, {
      "ce-specversion": "1.0",
      "ce-id": "m1",
      "ce-source": "orders",
      "ce-type": "order.placed",
      "ce-subject": "%E8%AE%A2%E5%8D%95%201",
      "ce-time": "2025-10-09T08:53:20.000Z",
      "ce-tenant": "acme",
      "ce-traceparent": traceparent,
      "ce-tracestate": "v=1",
      "ce-tripactheaders": "{%22X-Region%22:%22eu%22}",
      "content-type": "application/json",
      "idempotency-key": "orders/m1",
      "tripact-attempt": "3",
      traceparent,
      tracestate: "v=1",
    });
    assert.equal(body.toString(), '{ "a": 1.0 }');
  });

  it("puts headers that are no attributes into one that is, in ASCII", () => {
    const odd = { Upper: "a", "a-b": "b", id: "c", data: "d", tripactheaders: "e", "": "f", 名: "g", ["x".repeat(21)]: "h", empty: "", nul: "\u0000", c1: "\u0085", lone: "\ud800", none: "\ufffe" };
    const { headers } = encodeEvent(sampleEnvelope({ headers: { ...odd, plain: "é 😀" } }), "binary");
    assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("ce-")).slice(-2), ["ce-plain", "ce-tripactheaders"]);
    assert.deepEqual(JSON.parse(decodeURIComponent(headers["ce-tripactheaders"] ?? "")), odd);
    assert.match(headers["ce-tripactheaders"] ?? "", /%5Cu0085|\\u0085/);
  });

  it("escapes a lone surrogate in its payload, which UTF-8 could not say", () => {
    for (const mode of ["binary", "structured"] as const) {
      const { headers, body } = encodeEvent(sampleEnvelope({ payload: '{"a":"\ud800\ud83d\ude00"}' }), mode);
      assert.equal(JSON.parse(decodeEvent(headers, body, 0).payload).a, "\ud800😀");
    }
  });

  it("leaves a broken trace out, but for the message's own copy", () => {
    const { headers } = encodeEvent(sampleEnvelope({ headers: { traceparent: "00-broken", tracestate: "v=1" } }), "binary");
    assert.deepEqual([headers["traceparent"], headers["tracestate"], headers["ce-traceparent"]], [undefined, undefined, "00-broken"]);
  });

  it("becomes structured where no header can say it, or no server would take it", () => {
    for (const odd of [{ key: "\ud800" }, { id: "\udc00" }, { headers: { long: "x".repeat(8_000) } }, { key: "ж".repeat(1_400) }]) {
      const envelope = sampleEnvelope(odd);
      const { headers, body } = encodeEvent(envelope, "binary");
      assert.equal(headers["content-type"], "application/cloudevents+json");
      assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("ce-")), []);
      assert.deepEqual(decodeEvent(headers, body, 0), envelope);
    }
  });

  it("has no form for a time that is none, nor in structured mode for a payload that is not JSON", () => {
    assert.throws(() => encodeEvent(sampleEnvelope({ recordedAtMs: Number.NaN }), "binary"));
    assert.throws(() => encodeEvent(sampleEnvelope({ payload: '1,"type":"other"' }), "structured"));
  });
});

describe("a message as a structured request", () => {
  it("is one JSON text, with the payload as it is", () => {
    const { headers, body } = encodeEvent(sampleEnvelope({ id: "m1", key: "k", payload: '{ "a": 1.0 }', headers: { tenant: "acme" } }), "structured");
    assert.equal(headers["content-type"], "application/cloudevents+json");
    assert.equal(
      body.toString(),
      '{"specversion":"1.0","id":"m1","source":"orders","type":"order.placed","subject":"k","time":"2025-10-09T08:53:20.000Z","tenant":"acme",' +
        '"datacontenttype":"application/json","data":{ "a": 1.0 }}',
    );
  });
});

const binary: IncomingHttpHeaders = { "content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "sold" };
const decode = (headers: IncomingHttpHeaders, body: string) => decodeEvent(headers, Buffer.from(body), 1_700_000_000_000);
const structured = (members: object) => decode({ "content-type": "application/cloudevents+json; charset=UTF-8" }, JSON.stringify(members));
const whole = { specversion: "1.0", id: "1", source: "/shop", type: "sold" };

describe("an event of another sender", () => {
  it("needs no more than id, source and type", () => {
    const bare = { id: "1", source: "/shop", topic: "sold", key: "", payload: "null", headers: {}, recordedAtMs: 1_700_000_000_000, attempt: 1 };
    assert.deepEqual(decode(binary, ""), bare);
    assert.deepEqual(structured(whole), bare);
    assert.deepEqual(structured({ ...whole, time: null, data: null }), bare);
  });

  it("may have extensions of any type, and times in any zone", () => {
    const event = structured({ ...whole, time: "2025-10-09t10:53:20.1239+02:00", sequence: 7, sampled: true, dataschema: "/s", data: [1] });
    assert.deepEqual([event.recordedAtMs, event.headers, event.payload], [1_760_000_000_123, { sequence: "7", sampled: "true", dataschema: "/s" }, "[1]"]);
  });

  it("is traced by its request when it carries no trace", () => {
    assert.deepEqual(decode({ ...binary, traceparent, tracestate: "v=1" }, "1").headers, { traceparent, tracestate: "v=1" });
    const own = { ...binary, traceparent, tracestate: "v=1", "ce-traceparent": traceparent.replace("ab", "ff") };
    assert.deepEqual(decode(own, "1").headers, { traceparent: traceparent.replace("ab", "ff") });
  });

  it("is named by what is wrong with it", () => {
    const wrong: readonly (readonly [where: string, read: () => unknown])[] = [
      ["specversion", () => decode({ ...binary, "ce-specversion": "0.3" }, "1")],
      ["id", () => decode({ ...binary, "ce-id": "" }, "1")],
      ["source", () => structured({ ...whole, source: undefined })],
      ["type", () => structured({ ...whole, type: null })],
      ["type", () => structured({ ...whole, type: { a: 1 } })],
      ["time", () => structured({ ...whole, time: "yesterday" })],
      ["time", () => structured({ ...whole, time: "2025-13-40T00:00:00Z" })],
      ["body", () => decode(binary, "{")],
      ["body", () => decode({ "content-type": "application/cloudevents+json" }, "[]")],
      ["body", () => decode({ "content-type": "application/cloudevents+json" }, "")],
      ["body", () => decodeEvent(binary, Buffer.from([0x22, 0xff, 0x22]), 0)],
      ["data_base64", () => structured({ ...whole, data_base64: "AA==" })],
      ["datacontenttype", () => structured({ ...whole, datacontenttype: "text/xml", data: "<a/>" })],
      ["ce-tripactheaders", () => structured({ ...whole, tripactheaders: "[1]" })],
      ["ce-tripactheaders", () => structured({ ...whole, tripactheaders: '{"a":1}' })],
      ["ce-tripactheaders", () => structured({ ...whole, tripactheaders: "{" })],
    ];
    for (const [where, read] of wrong) assert.throws(read, { code: "invalid-input", where }, where);
  });
});
