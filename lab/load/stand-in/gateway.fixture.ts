/** A gateway that answers what a test tells it to. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Purchase {
  readonly path: string;
  readonly buyer: string;
  readonly requestId: string;
  readonly quantity: number;
  readonly address: string;
  /** How many requests with this id came before. */
  readonly earlier: number;
}

/** `text` goes out as it is; `reset` and `half` break the connection, before the answer or in the middle of it; `silence` never answers. */
export type Reply = { readonly kind: "json"; readonly status: number; readonly body: object } | { readonly kind: "text"; readonly status: number; readonly text: string } | { readonly kind: "reset" | "half" | "silence" };

export interface StandIn {
  readonly url: string;
  readonly purchases: readonly Purchase[];
  /** Keeps every answer back until the time is over. */
  stall(ms: number): void;
  /** What an order's state is said to be; default `paid`. */
  stateOf: (orderId: string) => string | undefined;
  reply: (purchase: Purchase) => Reply;
  close(): Promise<void>;
}

export function accepted(orderId: string): Reply {
  return { kind: "json", status: 202, body: { kind: "accepted", orderId } };
}

export function refusal(status: number, kind: string): Reply {
  return { kind: "json", status, body: { kind, code: kind, message: kind } };
}

export async function startStandIn(reply: (purchase: Purchase) => Reply): Promise<StandIn> {
  const purchases: Purchase[] = [];
  const seen = new Map<string, number>();
  let held: (() => void)[] | undefined;
  // A connection that is closed while it is idle would be a reset that no test asked for.
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void bodyOf(request).then((body) => {
      if (request.url === "/purchases/states") {
        const { orderIds } = body as { orderIds: string[] };
        const states = Object.fromEntries(orderIds.map((orderId) => [orderId, standIn.stateOf(orderId)]));
        answer(response, { kind: "json", status: 200, body: { states } });
        return;
      }
      const asked = body as { buyer: string; requestId: string; quantity: number };
      const earlier = seen.get(asked.requestId) ?? 0;
      seen.set(asked.requestId, earlier + 1);
      const purchase = { path: request.url ?? "", ...asked, address: request.socket.remoteAddress ?? "", earlier };
      purchases.push(purchase);
      const send = (): void => answer(response, standIn.reply(purchase));
      if (held === undefined) send();
      else held.push(send);
    }, () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const standIn: StandIn = {
    url: `http://127.0.0.1:${port}`,
    purchases,
    reply,
    stateOf: () => "paid",
    stall: (ms) => {
      held = [];
      setTimeout(() => {
        for (const send of held ?? []) send();
        held = undefined;
      }, ms);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return standIn;
}

function answer(response: ServerResponse, reply: Reply): void {
  switch (reply.kind) {
    case "json": response.writeHead(reply.status, { "content-type": "application/json" }).end(JSON.stringify(reply.body)); break;
    case "text": response.writeHead(reply.status).end(reply.text); break;
    case "reset": response.socket?.resetAndDestroy(); break;
    case "half":
      response.writeHead(202, { "content-length": "100" });
      response.write('{"kind":"accepted","orde', () => response.socket?.destroy());
      break;
    case "silence": break;
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}
