import { textOf } from "../../protocol/errors.ts";
import { fromWire, unknown } from "../../wire/answers.ts";
import { connectionsTo } from "../../wire/connections.ts";
import type { ConnectionOptions } from "../../wire/connections.ts";
import { abortFailure, exchange } from "../../wire/exchange.ts";
import { signingKey } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";
import { callHeaders, echoOf } from "../call-headers.ts";
import type { Call, Transport } from "../transport.ts";
import { sign } from "./signature.ts";

export interface HttpTransportOptions extends ConnectionOptions {
  /** The participant: `http:` or `https:`, without credentials, query or fragment. An op is POSTed to `{url}/{op}`. */
  readonly url: string;
  /** Signs every call; at least 16 characters, one per participant. The participant has it among its `secrets`. */
  readonly secret: string;
}

/**
 * Calls a participant over HTTP. Answers are read as in `wire/answers.ts`; whatever is not surely an answer of the participant is `unknown`,
 * under one of the `Failure` codes of `wire/exchange.ts`. Nothing is asked twice in here: retries are the coordinator's, which counts them.
 *
 * Throws `invalid-option` and `host-not-allowed` when it is made; a call never throws.
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const connections = connectionsTo(options.url, "participant", options);
  const key = signingKey(options.secret, "secret");
  let inFlight = 0;
  let closed = false;

  return {
    features: { inProcess: false, forgets: true },
    async call(call, signal) {
      if (closed) return unknown("closed", "this transport was closed");
      if (signal.aborted) return unknown(abortFailure(signal), "given up before it was sent");
      try {
        connections.checkAllowed();
      } catch (error) {
        return unknown("host-not-allowed", textOf(error));
      }
      inFlight += 1;
      try {
        const { headers, body } = encode(call, key);
        const echo = echoOf(call.op, headers["idempotency-key"] ?? "");
        const exchanged = await exchange(connections.open(`/${call.op}`, headers), { body, echo, limits: connections.limits, signal });
        return exchanged.kind === "answered" ? fromWire(exchanged.answer) : exchanged;
      } catch (error) {
        return unknown("bad-call", textOf(error));
      } finally {
        inFlight -= 1;
        if (closed && inFlight === 0) connections.destroy();
      }
    },
    async close() {
      closed = true;
      if (inFlight === 0) connections.destroy();
    },
  };
}

interface Encoded {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

function encode(call: Call, key: SigningKey): Encoded {
  const { payload, forwardResult } = call;
  const body = Buffer.from(JSON.stringify(forwardResult === undefined ? { payload } : { payload, forwardResult }));
  const headers = callHeaders(call);
  headers["content-type"] = "application/json";
  headers["content-length"] = String(body.length);
  headers["accept-encoding"] = "identity";
  headers["tripact-signature"] = sign(key, {
    op: call.op,
    gid: headers["tripact-gid"] ?? "",
    branch: headers["tripact-branch"] ?? "",
    notAfter: headers["tripact-not-after"] ?? "",
    body,
  });
  return { headers, body };
}
