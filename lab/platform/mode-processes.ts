/** What runs in a mode, and with which environment: the settings that flash-sale/README.md lists, and nothing else. */
import type { DatabaseName } from "./databases.ts";

export const MODE_NAMES = ["naive", "saga", "choreography", "tcc", "outbox"] as const;
export type ModeName = (typeof MODE_NAMES)[number];

/** As the folders of the entry files are called. */
export type ProcessKind = "provider" | "stock" | "payment" | "orders" | "gateway" | "relay";

interface Row {
  readonly kind: ProcessKind;
  readonly name: string;
  /** Of one stage all start at once, and after the stage before. They stop the other way round. */
  readonly stage: 1 | 2;
  readonly modes: readonly ModeName[];
}

const MESSAGES: readonly ModeName[] = ["choreography", "outbox"];

const ROWS: readonly Row[] = [
  { kind: "provider", name: "provider", stage: 1, modes: MODE_NAMES },
  { kind: "stock", name: "stock", stage: 1, modes: MODE_NAMES },
  { kind: "payment", name: "payment", stage: 1, modes: MODE_NAMES },
  { kind: "orders", name: "orders-1", stage: 1, modes: MODE_NAMES },
  { kind: "orders", name: "orders-2", stage: 1, modes: MODE_NAMES },
  { kind: "relay", name: "relay-1", stage: 2, modes: MESSAGES },
  { kind: "relay", name: "relay-2", stage: 2, modes: MESSAGES },
  { kind: "gateway", name: "gateway-1", stage: 2, modes: MODE_NAMES },
];

/** The processes of a mode in the order of their stages. */
export function rowsOf(mode: ModeName): readonly Row[] {
  return ROWS.filter(({ modes }) => modes.includes(mode));
}

export interface Secrets {
  /** What services call each other with. */
  readonly token: string;
  /** What opens a sale. */
  readonly adminToken: string;
  readonly providerKey: string;
  readonly callbackSecret: string;
}

/** `strict`: acknowledged when it is on disk everywhere. `replicated`: when the standby has it too, in either's memory. */
export type Durability = "strict" | "replicated";

export interface Wiring {
  readonly mode: ModeName;
  /** By the process's name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly databases: Readonly<Record<DatabaseName, string>>;
  readonly secrets: Secrets;
  readonly seed: number;
  readonly durability: Durability;
  /** By the kind that calls: another port than its own at which it finds a process, by the called one's name. */
  readonly seenAt?: Partial<Record<ProcessKind, Readonly<Record<string, number>>>> | undefined;
  /** Added to a kind's own, or instead of them. */
  readonly extra?: Partial<Record<ProcessKind, Readonly<Record<string, string>>>> | undefined;
}

export function originOf({ ports }: Pick<Wiring, "ports">, name: string): string {
  const port = ports[name];
  if (port === undefined) throw new Error(`no port was given to ${name}`);
  return `http://127.0.0.1:${port}`;
}

function seenBy(kind: ProcessKind, { ports, seenAt }: Wiring): Pick<Wiring, "ports"> {
  return { ports: { ...ports, ...seenAt?.[kind] } };
}

export function settingsOf(row: Pick<Row, "kind" | "name">, wiring: Wiring): Readonly<Record<string, string>> {
  const at = (name: string): string => originOf(seenBy(row.kind, wiring), name);
  return {
    PORT: String(wiring.ports[row.name]),
    TOKEN: wiring.secrets.token,
    MODE: wiring.mode,
    ORDERS_URLS: `${at("orders-1")},${at("orders-2")}`,
    STOCK_URL: at("stock"),
    PAYMENT_URL: at("payment"),
    PROVIDER_URL: at("provider"),
    ...ownSettings(row, wiring),
    ...wiring.extra?.[row.kind],
  };
}

function ownSettings({ kind, name }: Pick<Row, "kind" | "name">, wiring: Wiring): Readonly<Record<string, string>> {
  const { databases, secrets, seed, durability } = wiring;
  const company = { PROVIDER_KEY: secrets.providerKey, CALLBACK_SECRET: secrets.callbackSecret };
  switch (kind) {
    case "provider":
      return { ...company, SEED: String(seed) };
    case "stock":
      return { DATABASE_URL: databases.stock };
    case "payment":
      return { DATABASE_URL: databases.payment, ...company, CALLBACK_URL: originOf(seenBy("provider", wiring), "payment") };
    case "orders":
      return { DATABASE_URL: databases.orders, WORKER: name, DURABILITY: durability };
    case "gateway":
      return { ADMIN_TOKEN: secrets.adminToken, GATEWAY: name };
    case "relay":
      return { ORDERS_DATABASE_URL: databases.orders, STOCK_DATABASE_URL: databases.stock, PAYMENT_DATABASE_URL: databases.payment };
  }
}
