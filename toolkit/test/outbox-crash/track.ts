import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Arm } from "../crash/crash.ts";
import { eventually } from "../crash/journal.ts";
import { judge } from "./judge.ts";
import type { RelayProcess, WarmRelays } from "./process.ts";
import { manner, scenes, type Role, type Scene, type SceneName, type Stage } from "./scenes.ts";
import { Sender, type Consumer, type Sent } from "./shop.ts";

/** One scene, in which one relay dies at a point. */
export interface Cell {
  readonly role: Role;
  readonly scene: SceneName;
  readonly point: string;
}

export interface TrackParts {
  readonly pool: WarmRelays;
  readonly consumer: Consumer;
  readonly folder: string;
  /** The broken variant. */
  readonly forgetful?: boolean;
}

/** Relays race for lanes, and what one reads in two pages another reads in one: a cell whose point nobody came by is run again. */
const TRIES_MAX = 3;
/** What happens now and then happens within this time after the last message. */
const LAST_WORD_MS = 500;

let tracks = 0;

/** Plays scenes one after the other on an outbox of its own, so that tracks do not read each other's messages. */
export class Track {
  readonly #sender: Sender;
  readonly #parts: TrackParts;
  /** Relays that have joined and live. */
  #members: RelayProcess[] = [];
  /** Cells that nobody came by: their points are chance. */
  readonly unreached: string[] = [];
  /** All its keys begin so: tracks share the consumer. */
  readonly #name = `track ${(tracks += 1)}:`;
  #played = 0;

  private constructor(sender: Sender, parts: TrackParts) {
    this.#sender = sender;
    this.#parts = parts;
  }

  static async open(parts: TrackParts): Promise<Track> {
    return new Track(await Sender.open("track"), parts);
  }

  /** The points that armed relays pass in a scene, in order. Nobody dies. */
  async enumerate(scene: SceneName, role: Role): Promise<readonly string[]> {
    const showing = new Showing(this.#sender, this.#parts, `${this.#name} ${scene}, ${role}: without a crash [${(this.#played += 1)}]`);
    const heardBefore = new Map(this.#members.map((it) => [it, it.reports.length]));
    await showing.play(scenes[scene], role, this.#members, {});
    this.#members = [...showing.alive()];
    return showing.relays.flatMap((it) => it.reports.slice(heardBefore.get(it)).flatMap((report) => (report.said === "passed" ? [report.point] : [])));
  }

  async run(cell: Cell): Promise<void> {
    const title = titleOf(cell);
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      this.#played += 1;
      const showing = new Showing(this.#sender, this.#parts, `${this.#name} ${title} [${this.#played}]`);
      const reached = await showing.play(scenes[cell.scene], cell.role, this.#members, { point: cell.point, token: join(this.#parts.folder, randomUUID()) });
      this.#members = [...showing.alive()];
      if (reached) return;
    }
    this.unreached.push(title);
  }

  async violations(): Promise<readonly string[]> {
    // What a dead relay had delivered and not settled is delivered again by whoever takes its lanes over: a double that comes only then is one, too. What is never settled is found by the judge.
    await eventually(async () => (await this.#sender.countUnsettled()) === 0);
    return await judge(this.#sender.pool, this.#parts.consumer.pool, { prefix: this.#name });
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((it) => it.end()));
    await this.#sender.close();
  }
}

export function titleOf({ scene, role, point }: Cell): string {
  return `${scene}, ${role}: died ${point}`;
}

/** One scene once. */
class Showing implements Stage {
  readonly #sender: Sender;
  readonly #parts: TrackParts;
  readonly #title: string;
  /** Everybody who took part. */
  relays: RelayProcess[] = [];
  #arm: Arm = {};
  #armed = new Set<RelayProcess>();

  constructor(sender: Sender, parts: TrackParts, title: string) {
    this.#sender = sender;
    this.#parts = parts;
    this.#title = title;
  }

  alive(): readonly RelayProcess[] {
    return this.relays.filter((it) => !it.over);
  }

  /** False: nobody came by the point. Whatever else may be wrong is found by the judge. */
  async play(scene: Scene, role: Role, members: readonly RelayProcess[], arm: Arm): Promise<boolean> {
    const size = scene.relays[role === "peer alive" ? 0 : 1];
    this.relays = [...members.slice(0, size)];
    await Promise.all(members.slice(size).map((it) => it.end()));
    const shared = async (): Promise<boolean> => {
      // Whom the scene before had armed may pass its point a moment before it hears that it is over.
      this.relays = [...this.alive()];
      while (this.relays.length < size) await this.#join(undefined);
      return this.#sender.isShared(size);
    };
    if (!(await eventually(shared, 5))) throw new Error(`${this.#title}: the relays do not share the lanes`);
    const death = arm.point === undefined ? Promise.resolve(true) : this.#death(role);
    const key = (name: string): string => `${this.#title} ${name}`;
    this.#arm = arm;
    // Whoever kills or stops one itself arms the others, or that one.
    if (scene !== scenes.takeover && scene !== scenes["a stop"]) for (const relay of this.relays) this.#armOne(relay);
    await scene.play(this, key);
    const applied = async (): Promise<boolean> => (await this.#parts.consumer.count(this.#title)) >= scene.messages;
    await eventually(applied);
    this.#over.resolve();
    const reached = await death;
    await eventually(applied);
    for (const relay of this.alive()) relay.order({ do: "arm" });
    return reached;
  }

  readonly #over = Promise.withResolvers<void>();

  /** Waits until one of the armed dies; when only a restart is left, everybody else goes too and a fresh one comes. */
  async #death(role: Role): Promise<boolean> {
    const dead = (): boolean => [...this.#armed].some((it) => it.over);
    let ended = false;
    void this.#over.promise.then(() => {
      ended = true;
    });
    await eventually(() => dead() || ended, 2);
    if (!dead()) await eventually(dead, 2, LAST_WORD_MS);
    if (!dead()) return false;
    if (role === "peer alive" && this.alive().length > 0) return true;
    await Promise.all(this.alive().map((it) => it.end()));
    this.#armed.clear();
    this.#arm = { point: "nowhere" };
    await this.#join(undefined);
    return true;
  }

  send = (...messages: readonly Sent[]): Promise<unknown> => this.#sender.send(...messages);
  sendInVain = (...messages: readonly Sent[]): Promise<unknown> => this.#sender.sendInVain(...messages);

  async killOne(): Promise<void> {
    const [victim, ...others] = this.alive();
    for (const other of others) this.#armOne(other);
    await victim?.end();
    if (others.length === 0) await this.joinOne();
  }

  async joinOne(): Promise<void> {
    // It may die while it joins: that is a point like any other.
    await this.#join(this.#arm).catch((error: unknown) => {
      if (!String(error).includes("it ended")) throw error;
    });
  }

  async stopOne(): Promise<void> {
    const [leaver] = this.alive();
    if (leaver === undefined) return;
    this.#armOne(leaver);
    leaver.order({ do: "stop" });
    await leaver.exited();
    if (this.alive().length === 0 && this.#arm.point === undefined) await this.#join(undefined);
  }

  async untilParked(key: string): Promise<void> {
    await eventually(async () => (await this.#sender.pool.query("select from tripact.outbox_retry where key = $1 and state = 'parked'", [key])).rows.length > 0);
  }

  async heal(key: string): Promise<void> {
    await this.#parts.consumer.heal(key);
    // Whoever is asked may die before it answers.
    await eventually(async () => {
      const asked = this.alive().find((it) => it.reports.some(({ said }) => said === "joined"));
      if (asked === undefined) return false;
      const heard = asked.reports.length;
      asked.order({ do: "requeue" });
      return (await asked.hears(({ said }) => said === "requeued", heard)) !== undefined;
    });
  }

  #armOne(relay: RelayProcess): void {
    this.#armed.add(relay);
    relay.order({ do: "arm", arm: this.#arm });
  }

  async #join(arm: Arm | undefined): Promise<void> {
    const { pool, consumer, forgetful = false } = this.#parts;
    const relay = await pool.take();
    this.relays.push(relay);
    if (arm !== undefined) this.#armed.add(relay);
    await relay.join({ logUrl: this.#sender.url, consumerUrl: consumer.url, manner: { ...manner, forgetful }, ...(arm === undefined ? {} : { arm }) });
  }
}
