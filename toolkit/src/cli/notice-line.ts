import { plain } from "../admin/wording.ts";
import type { Notice } from "../runtime/notices.ts";

/** `2026-01-01T00:00:00.000Z parked gid=order-7 branch=pay reason=...` */
export function lineOf(notice: Notice): string {
  const { kind, ...rest } = notice;
  const pairs = Object.entries(rest).map(([name, value]) => `${name}=${plain(typeof value === "string" ? value : JSON.stringify(value))}`);
  return [new Date().toISOString(), kind, ...pairs].join(" ");
}
