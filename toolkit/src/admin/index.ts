/** `tripact/admin`: the coordinator over HTTP, and what it shows. */
export { adminHandler } from "./server.ts";
export type { AdminHandler, AdminOptions } from "./server.ts";
export type { FailureBody, HttpCode } from "./failures.ts";
export { openapi } from "./openapi.ts";
export { timelineOf } from "./timeline.ts";
export type { Timeline, TimelineLine } from "./timeline.ts";
export { printTimeline } from "./print-timeline.ts";
export { nodesOf, readNodes } from "./nodes.ts";
export type { Nodes } from "./nodes.ts";
