/** Ends a server without breaking off what it is doing: whoever comes now is refused, whoever is inside is let out. */
import type { RequestListener, Server } from "node:http";

/** Above the time for which a call waits here for somebody else; a caller gives up a little later. */
const WITHIN_MS = 2_000;
/** Connections stay open between two calls, and one that has just had its answer is idle from then on. */
const LOOK_EVERY_MS = 20;

/** JSON, for a call that had no effect. */
export const STOPPING = JSON.stringify({ code: "stopping", message: "this service stops; nothing has happened: ask again" });

/** Resolves when no call is under way any more, or after two seconds. @param refusal is told to calls that come from now on, with 503 */
export async function drain(server: Server, refusal: string = STOPPING): Promise<void> {
  server.removeAllListeners("request");
  server.on("request", refusing(refusal));
  const { promise: over, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const looking = setInterval(() => server.closeIdleConnections(), LOOK_EVERY_MS);
  const cap = setTimeout(resolve, WITHIN_MS);
  await over;
  clearTimeout(cap);
  clearInterval(looking);
}

function refusing(body: string): RequestListener {
  const headers = { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(body), "retry-after": "1", connection: "close" };
  return (request, response) => {
    request.resume();
    response.writeHead(503, headers).end(body);
  };
}
