/** Where a service finds the others, and what it needs to run: environment variables, read once, checked at the door. */
import { MODES, type ModeName } from "../contracts.ts";

/** Every service's base URL, without a path. */
export interface Addresses {
  /** The purchase workers: any of them can answer. */
  readonly orders: readonly string[];
  readonly stock: string;
  readonly payment: string;
  readonly provider: string;
}

/** `replicated` with `degrade`: a standby has it as well, for as long as there is one. */
export type Durability = "strict" | { readonly replicated: { readonly onStandbyLost: "stop" | "degrade" } };

/** A setting that is missing or cannot be. It ends the process before it listens. */
export class SettingError extends Error {
  readonly code = "invalid-setting";
  constructor(name: string, problem: string) {
    super(`${name} ${problem}`);
    this.name = "SettingError";
  }
}

export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new SettingError(name, "is not set");
  return value;
}

export function numberSetting(name: string, usual: number, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
  const text = process.env[name];
  if (text === undefined || text === "") return usual;
  const value = Number(text);
  if (!Number.isFinite(value) || value < min || value > max) throw new SettingError(name, `is ${JSON.stringify(text)}; a number from ${min} to ${max} is needed`);
  return value;
}

export function modeSetting(): ModeName {
  return choiceSetting("MODE", MODES);
}

export function choiceSetting<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
  const text = setting(name);
  const choice = choices.find((each) => each === text);
  if (choice === undefined) throw new SettingError(name, `is ${JSON.stringify(text)}; it is one of ${choices.join(", ")}`);
  return choice;
}

export function durabilitySetting(): Durability {
  const text = process.env["DURABILITY"] ?? "strict";
  if (text === "strict") return "strict";
  if (text === "replicated") return { replicated: { onStandbyLost: "degrade" } };
  throw new SettingError("DURABILITY", `is ${JSON.stringify(text)}; it is strict or replicated`);
}

/** Addresses with commas between them. */
export function urlsSetting(name: string): readonly string[] {
  return setting(name).split(",").map((text) => checkUrl(name, text));
}

/** `ORDERS_URLS` (with commas), `STOCK_URL`, `PAYMENT_URL`, `PROVIDER_URL`. */
export function addressesSetting(): Addresses {
  return {
    orders: urlsSetting("ORDERS_URLS"),
    stock: checkUrl("STOCK_URL", setting("STOCK_URL")),
    payment: checkUrl("PAYMENT_URL", setting("PAYMENT_URL")),
    provider: checkUrl("PROVIDER_URL", setting("PROVIDER_URL")),
  };
}

function checkUrl(name: string, text: string): string {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "http:" || url.pathname !== "/") throw new SettingError(name, `has ${JSON.stringify(text)}; an address like http://127.0.0.1:4000 is needed`);
  return url.origin;
}
