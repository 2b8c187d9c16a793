import type { Manner } from "./orders.ts";
import type { Sent } from "./shop.ts";

/** What a scene can do to its relays. */
export interface Stage {
  send(...messages: readonly Sent[]): Promise<unknown>;
  sendInVain(...messages: readonly Sent[]): Promise<unknown>;
  /** Kills one that is not armed. */
  killOne(): Promise<void>;
  joinOne(): Promise<void>;
  stopOne(): Promise<void>;
  /** A message of this key waits for a person. */
  untilParked(key: string): Promise<void>;
  heal(key: string): Promise<void>;
}

export interface Scene {
  /** Relays that are there at the beginning, when peers are alive, and when there is only a restart. */
  readonly relays: readonly [number, number];
  /** Messages that must be applied. */
  readonly messages: number;
  play(stage: Stage, key: (name: string) => string): Promise<void>;
}

/** Beats, looks and saves often, so that what happens now and then happens in every scene; a short queue, so that back-pressure does. */
export const manner: Manner = {
  relay: { beatEveryMs: 100, saveEveryMs: 20, idleSaveMs: 100, syncEveryMs: 200, tidyEveryMs: 500, pollMaxMs: 50 },
  subscription: { workers: 2, queueSize: 8, slowMs: 20, retry: { baseMs: 10, capMs: 20 } },
  batchMax: 5,
};

const names = ["a", "b", "c"] as const;

/** Where a relay may die, by what it is at. */
export const scenes = {
  delivery: {
    relays: [2, 1],
    messages: 9,
    async play(stage, key) {
      await stage.send(...names.map((name) => ({ key: key(name) })));
      await stage.sendInVain({ key: key("a") }, { key: key("b") });
      await stage.send(...names.flatMap((name) => [{ key: key(name) }, { key: key(name) }]));
    },
  },
  "a held key": {
    relays: [2, 1],
    messages: 10,
    async play(stage, key) {
      await stage.send(...names.map((name) => ({ key: key(name) })), { key: key("b"), work: { fails: 1 } });
      await stage.send(...names.map((name) => ({ key: key(name), work: { slowMs: 30 } })));
      await stage.sendInVain({ key: key("b") });
      await stage.send(...names.map((name) => ({ key: key(name) })));
    },
  },
  "a parked message": {
    relays: [2, 1],
    messages: 3,
    async play(stage, key) {
      await stage.send({ key: key("a"), work: { ill: "refused" } }, { key: key("a") });
      await stage.untilParked(key("a"));
      await stage.send({ key: key("a") });
      await stage.heal(key("a"));
    },
  },
  takeover: {
    relays: [3, 1],
    messages: 7,
    async play(stage, key) {
      await stage.send(...names.map((name) => ({ key: key(name), work: { slowMs: 30 } })), { key: key("a"), work: { fails: 1 } });
      await stage.killOne();
      await stage.send(...names.map((name) => ({ key: key(name) })));
    },
  },
  rebalance: {
    relays: [2, 1],
    messages: 9,
    async play(stage, key) {
      await stage.send(...names.map((name) => ({ key: key(name), work: { slowMs: 20 } })));
      const joining = stage.joinOne();
      await stage.send(...names.map((name) => ({ key: key(name) })));
      await joining;
      await stage.send(...names.map((name) => ({ key: key(name) })));
    },
  },
  "a stop": {
    relays: [2, 1],
    messages: 7,
    async play(stage, key) {
      await stage.send(...names.map((name) => ({ key: key(name), work: { slowMs: 20 } })), { key: key("a"), work: { fails: 1 } });
      const stopping = stage.stopOne();
      await stage.send(...names.map((name) => ({ key: key(name) })));
      await stopping;
    },
  },
} as const satisfies Readonly<Record<string, Scene>>;

export type SceneName = keyof typeof scenes;

/** Who goes on after a crash: peers that are there, or one fresh relay that is started when nobody is left. */
export const roles = ["peer alive", "restart only"] as const;
export type Role = (typeof roles)[number];
