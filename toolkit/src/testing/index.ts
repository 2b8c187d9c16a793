export { testSaga, type Expected, type SagaRun, type SagaTest, type SentMessage, type Story } from "./test-saga.ts";
export { crashAtEveryAwait, type CrashOptions, type CrashReport, type CrashRun } from "./crash.ts";
export { answers, type Asked, type Given, type Scripted } from "./answers.ts";
export type { Effect } from "./effects.ts";
export { ForeignAwait } from "./foreign-await.ts";
export type { StageOptions } from "./stage.ts";
export { memorySink, type MemorySink, type MemorySinkOptions } from "../brokers/memory/sink.ts";
