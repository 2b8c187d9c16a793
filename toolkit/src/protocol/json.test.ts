import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import "../../test/protocol/seed.ts";
import { TripactError, type TripactErrorCode } from "./errors.ts";
import { encodeInput, encodeResult, fingerprint, NESTING_MAX, type Json } from "./json.ts";

const cyclic: { self?: unknown } = {};
cyclic.self = cyclic;

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { value };
  return value;
}

const refusing = (code: TripactErrorCode) => (error: unknown): boolean => error instanceof TripactError && error.code === code;

/** Any text, lone surrogates and control characters included. JSON has no -0, so numbers leave it out. */
const text = fc.string({ unit: "binary" }).map((sane) => sane.replaceAll("z", "\ud800").replaceAll("y", "\u0000"));
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false),
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.array(tie("value")),
    fc.dictionary(text, tie("value"), { noNullPrototype: true }),
  ),
})).value;

describe("input at the door", () => {
  it("comes back from the journal as it went in", () => {
    fc.assert(fc.property(json, (value) => assert.deepStrictEqual(JSON.parse(encodeInput(value, "input")), value)));
  });

  it("holds lone surrogates and NUL as escaped, plain text (note 18)", () => {
    const encoded = encodeInput({ a: "\ud800", b: "\u0000" }, "input");
    assert.equal(encoded, String.raw`{"a":"\ud800","b":"\u0000"}`);
    assert.match(encoded, /^[\x20-\x7e]*$/);
  });

  const lost: Readonly<Record<string, unknown>> = {
    "a cycle": cyclic, "a bigint": 1n, "a function": () => 1, "a symbol": Symbol("s"), "undefined": undefined, "an undefined member": { a: undefined },
    "an undefined item": [undefined], "a hole": Object.assign([], { 1: 1 }), "NaN": Number.NaN, "infinity": -Infinity, "a Map": new Map(), "a Set": new Set(), "a Date": new Date(0),
    "a RegExp": /a/, "a Promise": Promise.resolve(), "an Error": new Error("lost"), "bytes": new Uint8Array(2), "a buffer": new ArrayBuffer(2),
    "a toJSON that gives nothing": { toJSON: () => undefined }, "too many levels": nested(NESTING_MAX + 1), "very many levels": nested(100_000),
  };
  for (const [what, value] of Object.entries(lost)) {
    it(`refuses ${what}, and says where`, () => {
      assert.throws(() => encodeInput(value, "input"), refusing("invalid-input"));
      assert.throws(() => encodeInput({ deep: [value] }, "input"), (error: unknown) => error instanceof TripactError && error.where?.startsWith("input.deep[0]") === true);
    });
  }

  it("takes the same object twice, and as many levels as it says", () => {
    const shared = { a: 1 };
    assert.equal(encodeInput([shared, shared], "input"), '[{"a":1},{"a":1}]');
    assert.ok(encodeInput(nested(NESTING_MAX), "input"));
  });

  it("takes instances of the caller's own classes, and what says itself how it is written", () => {
    class Money {
      cents = 5;
    }
    assert.equal(encodeInput(new Money(), "input"), '{"cents":5}');
    assert.equal(encodeInput({ at: new URL("https://example.org/") }, "input"), '{"at":"https://example.org/"}');
  });

  it("counts the limit in bytes, not in characters", () => {
    const euros = "€".repeat(10);
    assert.equal(encodeInput(euros, "input", 32), `"${euros}"`);
    assert.throws(() => encodeInput(euros, "input", 31), refusing("too-large"));
    fc.assert(
      fc.property(json, fc.nat(64), (value, bytesMax) => {
        const fits = Buffer.byteLength(JSON.stringify(value)) <= bytesMax;
        if (fits) encodeInput(value, "input", bytesMax);
        else assert.throws(() => encodeInput(value, "input", bytesMax), refusing("too-large"));
      }),
    );
  });
});

describe("a step's result", () => {
  it("may be nothing, and may have members that are undefined", () => {
    assert.equal(encodeResult(undefined, "result"), undefined);
    assert.equal(encodeResult({ toJSON: () => undefined }, "result"), undefined);
    assert.equal(encodeResult({ a: 1, b: undefined, c: { d: undefined } }, "result"), '{"a":1,"c":{}}');
  });

  it("is otherwise refused what input is refused, by a typed error", () => {
    for (const value of [1n, cyclic, [undefined], new Map(), Number.NaN, nested(100_000)]) assert.throws(() => encodeResult(value, "result"), refusing("invalid-input"));
  });
});

describe("a fingerprint", () => {
  it("is the same for the same JSON, in whatever order its members come", () => {
    assert.equal(fingerprint({ b: [1, { d: 1, c: 2 }], a: 1.0 }), fingerprint({ a: 1, b: [1, { c: 2, d: 1 }] }));
    fc.assert(fc.property(json, (value) => assert.equal(fingerprint(shuffled(value)), fingerprint(value))));
  });

  it("differs where the JSON differs", () => {
    const same = (a: Json, b: Json): boolean => fingerprint(a) === fingerprint(b);
    const pairs: [Json, Json][] = [[[1, 2], [2, 1]], [{ a: "" }, {}], ["1", 1], [null, "null"], [{ a: { b: 1 } }, { a: 1 }], ["\ud800", "\ud801"], ["", []]];
    for (const [a, b] of pairs) assert.ok(!same(a, b), `${JSON.stringify(a)} and ${JSON.stringify(b)}`);
    fc.assert(fc.property(json, json, (a, b) => assert.equal(same(a, b), JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)))));
    assert.notEqual(fingerprint(undefined), fingerprint(null));
  });

  it("is SHA-256 over RFC 8785, which puts members in the order of UTF-16 units", () => {
    // The example of section 3.2.3 of the RFC: U+1F600 comes before U+FB33, because its first unit is D83D.
    const members = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 };
    const canonical = '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}';
    assert.equal(fingerprint(members), createHash("sha256").update(canonical).digest("base64url"));
  });

  it("survives the journal", () => {
    fc.assert(fc.property(json, (value) => assert.equal(fingerprint(JSON.parse(encodeInput(value, "input")) as Json), fingerprint(value))));
  });
});

function shuffled(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(shuffled);
  return Object.fromEntries(Object.entries(value).toReversed().map(([key, member]) => [key, shuffled(member)]));
}

function sorted(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}
