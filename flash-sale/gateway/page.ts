/** The page: one file, read once at the start. */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";

export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Scripts and styles run only if they are in the file itself, byte for byte; nothing comes from, or goes to, anywhere else. */
export async function readPage(folder: URL): Promise<Page> {
  const html = await readFile(new URL("index.html", folder), "utf8");
  const policy = [
    "default-src 'none'",
    `script-src ${sources(html, "script")}`,
    `style-src ${sources(html, "style")}`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return {
    html,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  };
}

/** Hashes of the blocks of one kind, as a policy names them. */
function sources(html: string, tag: "script" | "style"): string {
  const blocks = [...html.matchAll(new RegExp(`<${tag}\\b[^>]*>([^]*?)</${tag}>`, "gi"))].map(([, text = ""]) => `'sha256-${hash("sha256", text, "base64")}'`);
  return blocks.length === 0 ? "'none'" : blocks.join(" ");
}
