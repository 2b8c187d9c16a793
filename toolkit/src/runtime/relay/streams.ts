import type { ClaimedLane, Cursor } from "../../stores/outbox-log.ts";
import type { OwnedLane } from "./pipeline.ts";

/** Lanes that stand at the same place in the log, and are read together. */
export interface Stream {
  cursor: Cursor;
  lanes: readonly OwnedLane[];
  /** In the middle of a backlog. */
  more: boolean;
  /** Not read: its lanes leave, or have too much of one key in the retry table. */
  stopped: boolean;
}

/** Where the lanes of a subscription stand. Mostly one stream; more after lanes were claimed, until they stand together again. */
export class Streams {
  #streams: Stream[] = [];

  get lanes(): readonly number[] {
    return this.#streams.flatMap(({ lanes }) => lanes.map(({ lane }) => lane));
  }

  readable(): readonly Stream[] {
    return this.#streams.filter(({ stopped }) => !stopped);
  }

  add(claimed: readonly ClaimedLane[]): void {
    for (const [cursor, lanes] of Map.groupBy(claimed, (lane) => lane.cursor)) {
      this.#streams.push({ cursor, lanes: lanes.map(({ lane, epoch }) => ({ lane, epoch })), more: false, stopped: false });
    }
  }

  /** These lanes stay where the stream stands now, and are not read for the time being. */
  stop(stream: Stream, goes: (lane: number) => boolean): void {
    const stopping = stream.lanes.filter(({ lane }) => goes(lane));
    if (stopping.length === 0) return;
    stream.lanes = stream.lanes.filter(({ lane }) => !goes(lane));
    this.#streams.push({ cursor: stream.cursor, lanes: stopping, more: false, stopped: true });
    this.#streams = this.#streams.filter(({ lanes }) => lanes.length > 0);
  }

  /** Lanes that were stopped are read again, but for those that stay so: one that leaves must not keep its neighbours. */
  resume(stays: (lane: number) => boolean): void {
    for (const stream of [...this.#streams]) {
      if (!stream.stopped) continue;
      const staying = stream.lanes.filter(({ lane }) => stays(lane));
      if (staying.length === stream.lanes.length) continue;
      if (staying.length > 0) this.#streams.push({ cursor: stream.cursor, lanes: staying, more: false, stopped: true });
      stream.lanes = stream.lanes.filter(({ lane }) => !stays(lane));
      stream.stopped = false;
    }
  }

  /** Those that stand together are one again. */
  merge(): void {
    const merged = new Map<string, Stream>();
    for (const stream of this.#streams) {
      const name = `${String(stream.stopped)} ${stream.cursor}`;
      const other = merged.get(name);
      if (other === undefined) merged.set(name, stream);
      else other.lanes = [...other.lanes, ...stream.lanes];
    }
    this.#streams = [...merged.values()];
  }

  remove(gone: readonly number[]): void {
    for (const stream of this.#streams) stream.lanes = stream.lanes.filter(({ lane }) => !gone.includes(lane));
    this.#streams = this.#streams.filter(({ lanes }) => lanes.length > 0);
  }

  clear(): void {
    this.#streams = [];
  }
}
