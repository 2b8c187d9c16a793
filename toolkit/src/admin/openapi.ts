/** The admin server in OpenAPI 3.1, written by hand; a test holds it against the routes. */
type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: "string" };
const whole: Schema = { type: "integer", minimum: 0 };
const anyJson: Schema = {};
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Schema): Schema => ({ "application/json": { schema } });
const answer = (description: string, schema: Schema): Schema => ({ description, content: json(schema) });
const body = (schema: Schema, required = true): Schema => ({ required, content: json(schema) });
const object = (properties: Record<string, Schema>, required: readonly string[] = []): Schema => ({ type: "object", properties, required, additionalProperties: false });
const oneOf = (...schemas: readonly Schema[]): Schema => ({ oneOf: schemas });
const list = (items: Schema): Schema => ({ type: "array", items });
const choice = (...values: readonly string[]): Schema => ({ type: "string", enum: values });
const constant = (value: string): Schema => ({ const: value });
const query = (name: string, schema: Schema, description: string): Schema => ({ name, in: "query", required: false, schema, description });
const inPath = (name: string, description: string): Schema => ({ name, in: "path", required: true, schema: { type: "string", minLength: 1, maxLength: 128 }, description });

const failure = (...statuses: readonly (keyof typeof failures)[]): Schema =>
  Object.fromEntries(statuses.map((status) => [status, answer(failures[status], ref("Failure"))]));

const failures = {
  "400": "Not HTTP or JSON as it should be: `malformed`.",
  "401": "No token, or another one: `unauthorized`.",
  "404": "No transaction has this gid: `unknown-transaction`.",
  "409": "The gid names another transaction (`conflicting-gid`), or there is nothing to decide (`nothing-to-decide`, `illegal-transition`).",
  "410": "Somebody was told that this gid never started: `never-started`.",
  "413": "Over the limit of 1 MiB: `too-large`.",
  "415": "Not application/json: `unsupported-media-type`.",
  "422": "Understood and refused, nothing was written: `invalid-plan`, `invalid-input`, `invalid-gid`, `invalid-option`, `unknown-participant`.",
  "429": "Too much open here: `overloaded`. Come back after `Retry-After` seconds; nothing was written.",
  "503": "This node takes no work now: `overloaded`, `stopped`, `store-unreachable`, `store-unknown`. Come back after `Retry-After` seconds, under the same gid.",
} as const;

const gid = inPath("gid", "The transaction's id.");
const outcomeAnswer = answer("How it stands.", ref("Outcome"));
const notYet = answer("Asked for and durable, but not decided within the time that a request waits: ask again.", ref("Outcome"));
const guard = { ...choice("barrier", "unguarded"), default: "barrier" };
const call = { name: text, participant: { ...text, description: "Its URL; an op is POSTed to `{url}/{op}`." }, payload: { description: 'Any JSON; `{ "$resultOf": "reserve", "at": "/id" }` stands for a result of an earlier group.' }, guard };
const callRequired = ["kind", "name", "participant", "payload"];

const schemas: Readonly<Record<string, Schema>> = {
  Plan: object({ groups: { ...list({ ...list(ref("Branch")), minItems: 1 }), minItems: 1, description: "In order; the branches of a group run side by side." } }, ["groups"]),
  Branch: oneOf(
    object({ kind: constant("step"), ...call, undo: choice("compensate", "nothing") }, [...callRequired, "undo"]),
    object({ kind: constant("pivot"), ...call }, callRequired),
    object({ kind: constant("tcc"), ...call, expiresAfterMs: whole }, callRequired),
    object({ kind: constant("sleep"), name: text, ms: whole }, ["kind", "name", "ms"]),
    object({ kind: constant("emit"), topic: text, key: text, payload: anyJson, headers: { type: "object", additionalProperties: text } }, ["kind", "topic", "key", "payload"]),
  ),
  Start: object(
    {
      gid: { ...text, description: "Chosen by you, 1 to 128 characters: the same gid with the same plan again attaches to the first. Made when absent." },
      plan: ref("Plan"),
      deadlineMs: { ...whole, description: "Roll back if nothing was decided after this time." },
      wait: { type: "boolean", default: false, description: "Answer when it has ended: 200 with the outcome. 202 if that takes longer than a request waits (25 s)." },
    },
    ["plan"],
  ),
  Started: object({ gid: text, attached: { type: "boolean", description: "An earlier start of this gid had the same plan; this one joined it." } }, ["gid", "attached"]),
  Outcome: oneOf(
    object({ kind: constant("committed"), gid: text, result: anyJson }, ["kind", "gid"]),
    object({ kind: constant("rolled-back"), gid: text, reason: { type: "object", properties: { kind: text }, required: ["kind"] }, branches: list(ref("BranchReport")) }, ["kind", "gid", "reason", "branches"]),
    object({ kind: constant("mixed"), gid: text, decision: choice("commit", "roll-back"), branches: list(ref("BranchReport")) }, ["kind", "gid", "decision", "branches"]),
    object(
      { kind: constant("open"), gid: text, phase: choice("forward", "committing", "rolling-back"), parked: { ...text, description: "Why a person has to look." }, branches: list(ref("BranchReport")) },
      ["kind", "gid", "phase", "branches"],
    ),
    object({ kind: constant("never-started"), gid: text }, ["kind", "gid"]),
  ),
  BranchReport: object(
    {
      branch: text,
      kind: choice("step", "pivot", "tcc", "sql", "timer"),
      state: choice("open", "done", "refused", "skipped", "undoing", "undone", "confirming", "confirmed", "parked", "forced"),
      attempts: { ...whole, description: "How often it was asked without an answer." },
      detail: text,
    },
    ["branch", "kind", "state", "attempts"],
  ),
  Header: object(
    {
      gid: text,
      definition: text,
      version: text,
      status: choice("forward", "committing", "rolling-back", "committed", "rolled-back", "mixed", "never-started"),
      parked: text,
      late: { type: "boolean" },
      owner: { ...text, description: "The node that drives it; absent once it has ended." },
      epoch: whole,
      startedAtMs: whole,
      updatedAtMs: whole,
    },
    ["gid", "definition", "version", "status", "late", "epoch", "startedAtMs", "updatedAtMs"],
  ),
  Timeline: {
    type: "object",
    properties: {
      gid: text,
      outcome: ref("Outcome"),
      branches: list(ref("BranchReport")),
      lines: list(object({ sinceStartMs: whole, seq: whole, epoch: whole, by: text, kind: text, branch: text, text }, ["sinceStartMs", "seq", "epoch", "by", "kind", "text"])),
      incomplete: text,
    },
    required: ["gid", "outcome", "branches", "lines"],
  },
  Completion: oneOf(
    object({ kind: constant("done"), result: anyJson }, ["kind"]),
    object({ kind: constant("refused"), code: text, details: anyJson }, ["kind", "code"]),
  ),
  Decision: object(
    {
      branch: { ...text, description: "Absent: the transaction as a whole, where `retry` resumes a parked flow and `refused` rolls back." },
      verdict: choice("done", "refused", "retry", "skip"),
      reason: { ...text, minLength: 1 },
      who: { ...text, default: "api" },
      result: { description: "What the branch's op would have answered, with `done`." },
    },
    ["verdict", "reason"],
  ),
  Decided: object({ gid: text, before: ref("Outcome"), after: ref("Outcome") }, ["gid", "before", "after"]),
  Failure: object({ code: { ...text, description: "Stable, for programs." }, message: text, hint: text }, ["code", "message"]),
};

const paths: Readonly<Record<string, Schema>> = {
  "/v1/health": {
    get: {
      operationId: "health",
      summary: "How the node and its store are. Without the token only the store's state and readiness.",
      security: [],
      responses: { "200": answer("The store is up.", { type: "object" }), "503": answer("The store is stalled or down.", { type: "object" }) },
    },
  },
  "/v1/ready": {
    get: {
      operationId: "ready",
      summary: "Whether to send work here.",
      security: [],
      responses: { "200": answer("Yes.", ref("Ready")), "503": answer("Recovering, stopping, or without its store.", ref("Ready")) },
    },
  },
  "/openapi.json": { get: { operationId: "openapi", summary: "This description.", responses: { "200": answer("OpenAPI 3.1.", { type: "object" }), ...failure("401", "422") } } },
  "/v1/transactions": {
    post: {
      operationId: "start",
      summary: "Begins a transaction from a plan. Durable when answered; it ends, whatever happens to this server.",
      parameters: [{ name: "traceparent", in: "header", required: false, schema: text, description: "W3C trace context, passed on to every participant." }],
      requestBody: body(ref("Start")),
      responses: { "200": answer("It has ended (`wait`).", ref("Outcome")), "202": answer("Accepted.", ref("Started")), ...failure("400", "401", "409", "410", "413", "415", "422", "429", "503") },
    },
    get: {
      operationId: "list",
      summary: "Transactions, the newest first.",
      parameters: [
        query("state", choice("open", "parked", "late", "unclaimed", "ended"), "All when absent."),
        query("definition", text, "Only this definition; plans have `plan`."),
        query("limit", { type: "integer", minimum: 1, maximum: 1_000, default: 100 }, "Rows of a page."),
        query("before", text, "`next` of the page before."),
      ],
      responses: { "200": answer("A page; without `next` it is the last.", object({ transactions: list(ref("Header")), next: text }, ["transactions"])), ...failure("401", "422", "503") },
    },
  },
  "/v1/transactions/{gid}": {
    get: {
      operationId: "outcome",
      summary: "How it stands. To be told that a gid is unknown makes sure that it never starts: that answer is written down.",
      parameters: [gid, query("peek", constant("1"), "Only look: an unknown gid is 404, and may still start.")],
      responses: { "200": outcomeAnswer, ...failure("400", "401", "404", "422", "503") },
    },
  },
  "/v1/transactions/{gid}/timeline": {
    get: { operationId: "timeline", summary: "All that happened, when, and by whom.", parameters: [gid], responses: { "200": answer("As the journal tells it.", ref("Timeline")), ...failure("400", "401", "404", "422", "503") } },
  },
  "/v1/transactions/{gid}/outcome": {
    post: {
      operationId: "expired",
      summary: "For a participant whose reservation has expired: rolls back if nothing was decided yet, and tells the decision.",
      parameters: [gid],
      requestBody: body(object({ expiredBranch: text }), false),
      responses: { "200": outcomeAnswer, "202": notYet, ...failure("400", "401", "413", "415", "422", "429", "503") },
    },
  },
  "/v1/transactions/{gid}/cancel": {
    post: {
      operationId: "cancel",
      summary: "Asks for roll back, and tells who won. An unknown gid never starts from now on.",
      parameters: [gid],
      requestBody: body(object({ by: { ...text, default: "api" } }), false),
      responses: { "200": outcomeAnswer, "202": notYet, ...failure("400", "401", "413", "415", "422", "429", "503") },
    },
  },
  "/v1/transactions/{gid}/decide": {
    post: {
      operationId: "decide",
      summary: "A person's decision on a branch, or on the transaction as a whole. Recorded with who and why.",
      parameters: [gid],
      requestBody: body(ref("Decision")),
      responses: { "202": answer("Given to whoever drives it: how it stood, and how it stands once this is taken up.", ref("Decided")), ...failure("400", "401", "404", "409", "413", "415", "422", "503") },
    },
  },
  "/v1/transactions/{gid}/branches/{branch}/complete": {
    post: {
      operationId: "complete",
      summary: "Brings the answer that a pending branch waits for. Twice is harmless. An unknown gid never starts from now on.",
      parameters: [gid, inPath("branch", "The branch's name.")],
      requestBody: body(ref("Completion")),
      responses: { "202": answer("Given to whoever drives it.", object({ gid: text, branch: text }, ["gid", "branch"])), ...failure("400", "401", "404", "413", "415", "422", "503") },
    },
  },
};

export const openapi = {
  openapi: "3.1.0",
  info: { title: "Tripact coordinator", version: "1", description: "Submit a saga or TCC as a plan, and ask what became of it. Every error is a `Failure`." },
  security: [{ token: [] }],
  paths,
  components: {
    securitySchemes: { token: { type: "http", scheme: "bearer" } },
    schemas: { ...schemas, Ready: object({ ready: { type: "boolean" } }, ["ready"]) },
  },
} as const;
