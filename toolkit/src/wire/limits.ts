import { TripactError } from "../protocol/errors.ts";
import { DEFAULT_PAYLOAD_BYTES_MAX } from "../protocol/json.ts";

// A refusal's code and the braces around payload and result need a little room beside what may be of full size.
const ENVELOPE_BYTES = 4_096;

/** Defaults of both sides, each with its reason. */
export const HTTP_DEFAULTS = {
  /** A participant nearby connects in milliseconds; one lost SYN is sent again after 1 s, and gets its chance. */
  connectTimeoutMs: 1_500,
  /** A last resort: the coordinator's own limit per op (2 s) aborts the call long before. */
  responseTimeoutMs: 30_000,
  /** One result of full size. */
  responseBytesMax: DEFAULT_PAYLOAD_BYTES_MAX + ENVELOPE_BYTES,
  /** A payload and a forward result of full size. */
  requestBytesMax: 2 * DEFAULT_PAYLOAD_BYTES_MAX + ENVELOPE_BYTES,
  /** Bulkhead: what one slow participant can hold open. */
  keepAliveSockets: 64,
  /** Below the 5 s after which many servers drop an idle connection: a call written just then would end unknown. */
  idleSocketMs: 4_000,
  /** A consumer's transaction takes milliseconds; what takes longer than this is asked again, and is then a duplicate. */
  eventTimeoutMs: 5_000,
  /** A payload of full size, and in structured mode all headers as JSON within JSON. */
  eventBytesMax: DEFAULT_PAYLOAD_BYTES_MAX + 131_072,
  /** How long after its signing an event is good: long for clocks that disagree, short for an inbox, which remembers it for days. */
  eventAgeMs: 86_400_000,
  /** How long an op may run at the participant when the caller neither answers nor leaves. */
  callTimeoutMs: 30_000,
} as const;

const LIMIT_MAX = 2_147_483_647;

/** A limit from outside: a whole number from 1 to 2^31 - 1 (the longest timer). Throws `invalid-option`. */
export function limit(value: number | undefined, otherwise: number, name: string): number {
  if (value === undefined) return otherwise;
  if (Number.isInteger(value) && value > 0 && value <= LIMIT_MAX) return value;
  throw new TripactError("invalid-option", `This is a whole number from 1 to ${LIMIT_MAX}, not ${String(value)}.`, { where: name });
}
