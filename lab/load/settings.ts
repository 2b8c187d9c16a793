/** What the generator needs to run: environment variables, read once, checked before anything is sent. */
export interface Settings {
  readonly target: URL;
  readonly historyPath: string;
  /** Part of every request id, so that no two runs against one shop share any. */
  readonly run: string;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly inFlightMax: number;
  readonly connectionsMax: number;
}

export class SettingError extends Error {
  readonly code = "invalid-setting";
  constructor(name: string, problem: string) {
    super(`${name} ${problem}`);
    this.name = "SettingError";
  }
}

/** @throws SettingError */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const text = (name: string, usual?: string): string => {
    const value = env[name] || usual;
    if (value === undefined) throw new SettingError(name, "is not set");
    return value;
  };
  const whole = (name: string, usual: number | undefined, min: number, max: number): number => {
    const value = Number(text(name, usual?.toString()));
    if (!Number.isInteger(value) || value < min || value > max) throw new SettingError(name, `is ${JSON.stringify(env[name])}; a whole number from ${min} to ${max} is needed`);
    return value;
  };
  const target = URL.parse(text("TARGET"));
  if (target === null || target.protocol !== "http:" || target.pathname !== "/") throw new SettingError("TARGET", "is no address like http://127.0.0.1:8080");
  const run = text("RUN", Date.now().toString(36));
  if (!/^[A-Za-z0-9.-]{1,40}$/.test(run)) throw new SettingError("RUN", `is ${JSON.stringify(run)}; up to 40 letters, digits, dots and dashes are needed`);
  return {
    target,
    historyPath: text("HISTORY"),
    run,
    seed: whole("SEED", 1, 0, 4_294_967_295),
    timeoutMs: whole("TIMEOUT_MS", 2_000, 10, 600_000),
    connectTimeoutMs: whole("CONNECT_TIMEOUT_MS", 1_000, 10, 600_000),
    inFlightMax: whole("IN_FLIGHT_MAX", 20_000, 1, 1_000_000),
    connectionsMax: whole("CONNECTIONS_MAX", 8_000, 1, 60_000),
  };
}
