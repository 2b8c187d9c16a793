/** Who asks: of a request, the buyer and the address. */
import type { Socket } from "node:net";
import type { FastifyRequest } from "fastify";
import type { Wish } from "./desk/purchases.ts";

/**
 * Where real authentication plugs in: gives the buyer that a request is from, or undefined when nobody can tell. It runs after the body was
 * checked. What it gives is a name as in `schemas.ts`.
 */
export type BuyerOf = (request: FastifyRequest) => string | undefined;

/** Believes whatever the body says. Good for a demonstration, and for nothing else: see the README of this folder. */
export const claimedBuyer: BuyerOf = (request) => (request.body as Wish).buyer;

/** The peer of the socket, whatever headers say. Of an IPv6 address the network counts: one host has as many addresses as it likes. */
export function addressOf({ remoteAddress = "" }: Pick<Socket, "remoteAddress">): string {
  if (!remoteAddress.includes(":")) return remoteAddress;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress);
  return mapped?.[1] ?? networkOf(remoteAddress);
}

/** The first four of eight groups: a /64. */
function networkOf(address: string): string {
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = Math.max(0, 8 - groups.length - last.length);
  return [...groups, ...Array.from({ length: missing }, () => "0"), ...last].slice(0, 4).join(":");
}
