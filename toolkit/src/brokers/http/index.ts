/** `tripact/events`: messages as signed CloudEvents over HTTP, on both sides. */
export { httpSink } from "./sink.ts";
export type { HttpSinkOptions } from "./sink.ts";
export { eventHandler } from "./event-handler.ts";
export type { EventHandler, EventHandlerOptions } from "./event-handler.ts";
export type { ReceiveEvent } from "./receive.ts";
export type { ContentMode } from "./cloud-event.ts";
export { consume } from "../../participants/consume.ts";
export type { ConsumeEvent, Consumer } from "../../participants/consume.ts";
export type { AllowHosts } from "../../wire/allowed-hosts.ts";
export type { Failure } from "../../wire/exchange.ts";
export type { Envelope, Receipt, Sink, SinkFeatures } from "../broker.ts";
