import assert from "node:assert/strict";
import test from "node:test";
import { Streams } from "./streams.ts";

const lanesOf = ({ lanes }: { readonly lanes: readonly { readonly lane: number }[] }): readonly number[] => lanes.map(({ lane }) => lane);

test("of lanes that were to leave together, those that are wanted again are read, also while the others still leave", () => {
  const streams = new Streams();
  streams.add([1, 2, 3].map((lane) => ({ lane, epoch: 1, cursor: "c", restarted: false })));
  const [stream] = streams.readable();
  assert.ok(stream);
  const leaving = new Set([1, 2, 3]);
  streams.stop(stream, (lane) => leaving.has(lane));
  assert.deepEqual(streams.readable(), []);

  leaving.delete(1);
  leaving.delete(3);
  streams.resume((lane) => leaving.has(lane));
  assert.deepEqual(streams.readable().map(lanesOf), [[1, 3]]);
  assert.deepEqual(streams.readable().map(({ cursor }) => cursor), ["c"], "from where they were stopped");
  assert.deepEqual(streams.lanes.toSorted((a, b) => a - b), [1, 2, 3], "and none is lost");

  streams.remove([2]);
  assert.deepEqual(streams.readable().map(lanesOf), [[1, 3]]);
  leaving.clear();
  streams.resume((lane) => leaving.has(lane));
  assert.deepEqual(streams.readable().map(lanesOf), [[1, 3]]);
});
