/** The gateway's admin door, as a stranger uses it. */
import { PlatformError } from "./failure.ts";

/** As in flash-sale/contracts.ts; `…At` is Unix time in ms. */
export interface SaleOffer {
  readonly sku: string;
  readonly units: number;
  /** For one unit. */
  readonly cents: number;
  readonly limitPerBuyer: number;
  readonly paymentWindowMs: number;
  readonly opensAt: number;
  readonly closesAt: number;
}

const ASK_CAP_MS = 5_000;
const OPEN_CAP_MS = 20_000;
const AGAIN_MS = 100;

/** Opens it for business. A gateway that has just started may need a moment: it is asked again, which opens the same sale once. */
export async function openSale(origin: string, adminToken: string, sale: SaleOffer): Promise<void> {
  const deadline = performance.now() + OPEN_CAP_MS;
  for (;;) {
    const answer = await ask(origin, adminToken, sale);
    if (answer.kind === "open") return;
    if (answer.kind === "refused" || performance.now() > deadline) {
      throw new PlatformError("sale-not-opened", `the gateway at ${origin} has not opened the sale ${sale.sku}: ${answer.why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

type Answer = { readonly kind: "open" } | { readonly kind: "refused" | "unknown"; readonly why: string };

async function ask(origin: string, adminToken: string, sale: SaleOffer): Promise<Answer> {
  try {
    const response = await fetch(`${origin}/sales`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${adminToken}` },
      body: JSON.stringify(sale),
      signal: AbortSignal.timeout(ASK_CAP_MS),
    });
    const text = await response.text();
    if (response.ok) return { kind: "open" };
    return { kind: response.status < 500 && response.status !== 429 ? "refused" : "unknown", why: `${response.status} ${text.slice(0, 500)}` };
  } catch (error) {
    return { kind: "unknown", why: String(error) };
  }
}
