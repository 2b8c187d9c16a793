/** What is let in. A field that is not named here is refused, and nothing is converted. */

/** No spaces at the ends and no control characters, so a name looks like what it is; ASCII, so it has one spelling. */
const NAME = "^[!-~]([ -~]*[!-~])?$";
export const SKU = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const ORDER_ID = /^[0-9a-f]{32}$/;
const DAY_MS = 86_400_000;
const UNITS_MAX = 10_000_000;
/** Ten units of it are what an `integer` column holds. */
const CENTS_MAX = 214_748_364;
/** Of a `bigint` column, and of a number that JavaScript keeps exactly. */
const AT_MAX = Number.MAX_SAFE_INTEGER;

export const purchaseSchema = {
  type: "object",
  additionalProperties: false,
  required: ["buyer", "quantity", "requestId"],
  properties: {
    buyer: { type: "string", minLength: 1, maxLength: 64, pattern: NAME },
    quantity: { type: "integer", minimum: 1, maximum: 10 },
    requestId: { type: "string", minLength: 1, maxLength: 64, pattern: NAME },
  },
};

export const statesSchema = {
  type: "object",
  additionalProperties: false,
  required: ["orderIds"],
  properties: { orderIds: { type: "array", minItems: 1, maxItems: 500, items: { type: "string", pattern: ORDER_ID.source } } },
};

export const saleSchema = {
  type: "object",
  additionalProperties: false,
  required: ["sku", "units", "cents", "limitPerBuyer", "opensAt", "closesAt"],
  properties: {
    sku: { type: "string", pattern: SKU.source },
    units: { type: "integer", minimum: 1, maximum: UNITS_MAX },
    cents: { type: "integer", minimum: 0, maximum: CENTS_MAX },
    limitPerBuyer: { type: "integer", minimum: 1, maximum: UNITS_MAX },
    paymentWindowMs: { type: "integer", minimum: 1, maximum: DAY_MS },
    opensAt: { type: "integer", minimum: 0, maximum: AT_MAX },
    closesAt: { type: "integer", minimum: 1, maximum: AT_MAX },
  },
};
