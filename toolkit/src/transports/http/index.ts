/** `tripact/http`: call participants over HTTP, and offer them on any Node HTTP server. */
export { httpTransport } from "./client.ts";
export type { HttpTransportOptions } from "./client.ts";
export { httpParticipant, httpParticipants } from "./participant.ts";
export type { HttpParticipantOptions, HttpParticipantsOptions } from "./participant.ts";
export { participantHandler } from "./handler.ts";
export type { ParticipantHandler, ParticipantHandlerOptions, ParticipantRoute } from "./handler.ts";
export type { ParticipantCall, ParticipantOp } from "./execute.ts";
export type { AllowHosts } from "../../wire/allowed-hosts.ts";
export type { Failure } from "../../wire/exchange.ts";
export { callHeaders, readCallHeaders } from "../call-headers.ts";
export type { CallHead, CallHeaders } from "../call-headers.ts";
