/** The provider's book, over HTTP and page by page: another company's record of the same money. */
import { request } from "undici";
import type { Charge } from "../checkers/checker.ts";
import { EvidenceError } from "./snapshot.ts";

export interface ProviderAddress {
  /** Without a path, as `http://127.0.0.1:4000`. */
  readonly url: string;
  readonly key: string;
}

const TIMEOUT_MS = 10_000;
const TRIES = 3;
const WHERE = "provider";

/** @throws EvidenceError */
export async function readBook({ url, key }: ProviderAddress, { rowsMax, intern }: { readonly rowsMax: number; readonly intern: (text: string) => string }): Promise<readonly Charge[]> {
  const address = URL.parse("/charges/book", url);
  if (address === null || !address.protocol.startsWith("http")) throw new EvidenceError("invalid-input", WHERE, "an address like http://127.0.0.1:4000 is needed");
  const charges: Charge[] = [];
  let after = 0;
  for (;;) {
    const page = await pageAfter(address, key, after);
    for (const { key: id, cents, state } of page.charges) charges.push({ key: intern(id), cents, state: intern(state) as Charge["state"] });
    if (charges.length > rowsMax) throw new EvidenceError("too-large", WHERE, `its book has more than ${rowsMax} charges`);
    if (page.charges.length === 0) return charges;
    if (page.after <= after) throw new EvidenceError("unreachable", WHERE, `its book does not go on after ${after}`);
    after = page.after;
  }
}

interface Page {
  readonly charges: readonly Charge[];
  readonly after: number;
}

/** To read twice does no harm, so a page that did not come is asked for again. */
async function pageAfter(address: URL, key: string, after: number): Promise<Page> {
  let failure: unknown;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    try {
      const { statusCode, body } = await request(address, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
        body: JSON.stringify({ after }),
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`status ${statusCode}: ${text.slice(0, 200)}`);
      return checked(JSON.parse(text));
    } catch (error) {
      failure = error;
    }
  }
  throw new EvidenceError("unreachable", WHERE, "its book could not be read", failure);
}

function checked(answer: unknown): Page {
  const page = answer as Partial<Page> | null;
  if (!Array.isArray(page?.charges) || typeof page.after !== "number") throw new Error("the answer is no page of a book");
  for (const charge of page.charges as readonly Partial<Charge>[]) {
    if (typeof charge.key !== "string" || typeof charge.cents !== "number" || typeof charge.state !== "string") throw new Error(`this is no charge: ${JSON.stringify(charge).slice(0, 200)}`);
  }
  return page as Page;
}
