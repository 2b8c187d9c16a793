import { execFileSync } from "node:child_process";

/** The account that a server runs as, where that is not our own. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses to run as root; root runs it as `nobody`. Everybody else runs it as himself. */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return { uid: idOf("-u"), gid: idOf("-g") };
}

// Asked of the system: initdb needs an account that the password file knows, and its number differs (65534 on Debian, -2 on macOS).
function idOf(option: "-u" | "-g"): number {
  return Number(execFileSync("id", [option, "nobody"], { encoding: "utf8" }));
}
