import { hash } from "node:crypto";

/** The same request has the same order, at every gateway and after every restart. JSON keeps the three apart whatever they contain. */
export function orderIdOf(sku: string, buyer: string, requestId: string): string {
  return hash("sha256", JSON.stringify([sku, buyer, requestId]), "hex").slice(0, 32);
}
