/** Whatever Fastify says about a request that it did not let in, in the words of this door. Nothing of the request is repeated. */
import type { FastifyError } from "fastify";
import { invalid, unknownOutcome, type Answer } from "./answers.ts";

const known: Readonly<Record<string, Answer>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: invalid(415, "not-json", { message: "only application/json is read here", where: "header/content-type", hint: "send JSON, with content-type: application/json" }),
  FST_ERR_CTP_BODY_TOO_LARGE: invalid(413, "too-large", { message: "the body is too large", where: "body", hint: "see the README for what belongs into a body" }),
  FST_ERR_CTP_EMPTY_JSON_BODY: invalid(400, "empty-body", { message: "the body is empty", where: "body", hint: "send a body, or no content-type" }),
};
const notJson = invalid(400, "bad-json", { message: "the body is no valid JSON", where: "body", hint: "see that the body is one JSON object" });
const notReadable = invalid(400, "bad-request", { message: "this request cannot be read", where: "request", hint: "see that it is valid HTTP" });
export const noSuchPath = invalid(404, "no-such-path", { message: "nothing is offered under this method and path", where: "path", hint: "see the README for what is offered, and by which method" });

export function refusalOf(error: FastifyError, onError: (error: unknown) => void): Answer {
  const [problem] = error.validation ?? [];
  if (problem !== undefined) return invalidField(problem);
  const answer = known[error.code];
  if (answer !== undefined) return answer;
  const status = error.statusCode ?? 500;
  if (status >= 500) {
    onError(error);
    return unknownOutcome("this service failed");
  }
  return status === 400 && /json/i.test(`${error.name} ${error.code}`) || error instanceof SyntaxError ? notJson : notReadable;
}

function invalidField({ keyword, instancePath, params, message }: NonNullable<FastifyError["validation"]>[number]): Answer {
  const where = `body${instancePath}`;
  switch (keyword) {
    case "additionalProperties":
      return invalid(400, "unknown-field", { message: "has a field that is not known here", where, hint: "leave out what the README does not name" });
    case "required":
      return invalid(400, "missing-field", { message: "a field is missing", where: `${where}/${String(params["missingProperty"])}`, hint: "see the README for what is needed" });
    default:
      return invalid(400, "invalid-field", { message: message ?? "is not valid", where, hint: "see the README for what is allowed" });
  }
}

/** For what is not even HTTP. */
export function rawRefusal(): string {
  const { body } = notReadable;
  return `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

export { notReadable };
