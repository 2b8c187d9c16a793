/** What was measured, and with which settings: figures of two codes or two settings are never added. */
import { Client } from "pg";
import type { PostgresServer } from "@tripact/testbed";
import type { Results, SettingValue } from "../../results/results.ts";
import { versionsWith } from "../../start/versions.ts";
import type { Databases } from "../../platform/databases.ts";
import { codeVersion } from "./code.ts";
import type { LabPlan } from "../planning/options.ts";
import { settingsOf, type Rates } from "../planning/rates.ts";
import type { Timing } from "../planning/schedule.ts";
import { EXTRA, FAILOVER, PAYMENT_WINDOW_MS, RESTART_AFTER_MS } from "../cell/stage.ts";

const ASK_CAP_MS = 10_000;
/** Those that say what an acknowledgement is worth, and how fast. */
const OF_POSTGRES = [
  "synchronous_commit", "synchronous_standby_names", "fsync", "full_page_writes", "wal_level", "wal_sync_method", "max_connections", "shared_buffers",
  "commit_delay", "checkpoint_timeout", "max_wal_size", "wal_retrieve_retry_interval",
];

export async function settingsWith(plan: LabPlan, rates: Rates, timing: Timing, { primary, pair }: Databases): Promise<Results["settings"]> {
  return {
    "postgres primary": await postgresSettings(primary),
    ...(pair === undefined ? {} : { "postgres standby": await postgresSettings(pair.standby) }),
    platform: { durability: pair === undefined ? "strict" : "replicated", onStandbyLost: "degrade", restartAfterMs: RESTART_AFTER_MS, paymentWindowMs: PAYMENT_WINDOW_MS },
    ...EXTRA,
    failover: FAILOVER,
    lab: { units: plan.units, ...timing },
    ...settingsOf(rates),
  };
}

async function postgresSettings(server: PostgresServer): Promise<Record<string, SettingValue>> {
  const client = new Client({ connectionString: server.url(), connectionTimeoutMillis: ASK_CAP_MS, query_timeout: ASK_CAP_MS });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string; value: string }>("select name, current_setting(name) as value from pg_settings where name = any($1::text[]) order by name", [OF_POSTGRES]);
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  } finally {
    await client.end().catch(() => undefined);
  }
}

export function versions(postgres: string): Results["versions"] {
  return { code: codeVersion(), ...versionsWith(postgres) };
}
