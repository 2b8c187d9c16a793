import { plan, Refused, saga } from "tripact";
import type { BranchContext, Plan, Saga, SagaParticipant, TccParticipant } from "tripact";

/** `refuse` names the branch whose participant says no, after it has written its effect. */
export interface Work {
  readonly refuse?: string;
}

export interface Asked {
  readonly refuse: boolean;
}

/** What the flows are made of, as one coordinator reaches it. */
export interface Parties {
  readonly stock: SagaParticipant<Asked, string>;
  readonly wallet: TccParticipant<Asked, string>;
  /** A plain request to a participant's own endpoint, out of a closure of the flow. */
  readonly ship: (branch: BranchContext) => Promise<string>;
}

export interface Expected {
  readonly status: "committed" | "rolled-back";
  /** Every effect at the participants, each once. */
  readonly effects: readonly string[];
  /** Every write of local SQL steps, each once. */
  readonly local: readonly string[];
  readonly messages: number;
}

type FlowName = "saga" | "tcc" | "mixed";

export type Flows = { readonly [name in FlowName]: Saga<Work, string> };

export function flows({ stock, wallet, ship }: Parties): Flows {
  const asked = ({ refuse }: Work, branch: string): Asked => ({ refuse: refuse === branch });
  return {
    saga: saga("saga", async (tx, work: Work) => {
      await tx.step("reserve", stock, asked(work, "reserve"));
      await tx.step("ship", ship, { undo: ship });
      return await tx.step("invoice", stock, asked(work, "invoice"));
    }),
    tcc: saga("tcc", async (tx, work: Work) => {
      await tx.tcc("room", wallet, asked(work, "room"));
      await tx.tcc("flight", wallet, asked(work, "flight"));
      return await tx.tcc("car", wallet, asked(work, "car"));
    }),
    mixed: saga("mixed", async (tx, work: Work) => {
      await tx.tcc("hold", wallet, asked(work, "hold"));
      await tx.step("reserve", stock, asked(work, "reserve"));
      await tx.sql("order", async (db, { gid }) => await writeLocally(db, gid, "order.action"), {
        undo: async (db, gid) => await writeLocally(db, gid, "order.undo"),
      });
      await tx.emit("ordered", { key: tx.gid, payload: tx.gid });
      return await tx.pivot("capture", stock, asked(work, "capture"));
    }),
  };
}

export function planOf({ stock, wallet }: Parties, { refuse }: Work, gid: string): Plan {
  return plan({ stock, wallet })
    .step("reserve", "stock", { refuse: refuse === "reserve" })
    .tcc("hold", "wallet", { refuse: refuse === "hold" })
    .step("invoice", "stock", { refuse: refuse === "invoice" })
    .emit("planned", { key: gid, payload: null })
    .build();
}

export interface Shape {
  readonly drive: FlowName | "plan";
  readonly work: Work;
  readonly expected: Expected;
}

/** The transactions of the matrix. */
export const shapes = {
  saga: {
    drive: "saga",
    work: {},
    expected: { status: "committed", effects: ["reserve.action", "ship.action", "invoice.action"], local: [], messages: 0 },
  },
  "saga, refused": {
    drive: "saga",
    work: { refuse: "invoice" },
    expected: { status: "rolled-back", effects: ["reserve.action", "ship.action", "ship.compensate", "reserve.compensate"], local: [], messages: 0 },
  },
  tcc: {
    drive: "tcc",
    work: {},
    expected: { status: "committed", effects: ["room", "flight", "car"].flatMap((it) => [`${it}.try`, `${it}.confirm`]), local: [], messages: 0 },
  },
  "tcc, refused": {
    drive: "tcc",
    work: { refuse: "car" },
    expected: { status: "rolled-back", effects: ["room", "flight"].flatMap((it) => [`${it}.try`, `${it}.cancel`]), local: [], messages: 0 },
  },
  mixed: {
    drive: "mixed",
    work: {},
    expected: { status: "committed", effects: ["hold.try", "reserve.action", "capture.action", "hold.confirm"], local: ["order.action"], messages: 1 },
  },
  "mixed, refused": {
    drive: "mixed",
    work: { refuse: "capture" },
    expected: {
      status: "rolled-back",
      effects: ["hold.try", "reserve.action", "reserve.compensate", "hold.cancel"],
      local: ["order.action", "order.undo"],
      messages: 0,
    },
  },
  plan: {
    drive: "plan",
    work: {},
    expected: { status: "committed", effects: ["reserve.action", "hold.try", "invoice.action", "hold.confirm"], local: [], messages: 1 },
  },
} as const satisfies Readonly<Record<string, Shape>>;

export type ShapeName = keyof typeof shapes;

interface Db {
  execute(text: string, values: readonly unknown[]): Promise<unknown>;
}

async function writeLocally(db: Db, gid: string, what: string): Promise<string> {
  await db.execute("insert into effect (gid, what) values ($1, $2)", [gid, what]);
  return gid;
}

/** Both kinds of database have this table; nothing in it forbids doubles, so that they can be counted. */
export const effectTable = "create table effect (n bigint generated always as identity primary key, gid text not null, what text not null)";

/** The business of every participant: an effect, and then perhaps a no, which must take the effect back. */
export async function perform(db: Db, call: { readonly gid: string; readonly branch: string; readonly op: string }, refuses: boolean): Promise<string> {
  await db.execute("insert into effect (gid, what) values ($1, $2)", [call.gid, `${call.branch}.${call.op}`]);
  if (refuses) throw new Refused("no");
  return call.branch;
}
