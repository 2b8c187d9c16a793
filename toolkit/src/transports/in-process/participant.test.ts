import { describeTransport, type ConformanceOps, type OpenTransport } from "../conformance.ts";
import type { Transport } from "../transport.ts";
import { inProcessTransport, type OpCall } from "./participant.ts";

// One transport for all five ops: a saga's participant for two of them, a TCC participant for three.
describeTransport("in-process", async (ops: ConformanceOps): Promise<OpenTransport> => {
  const given = (op: keyof ConformanceOps) => (call: OpCall) => {
    const { signal, ...plain } = call;
    return ops[op]({ ...plain, signal });
  };
  const saga = inProcessTransport({ action: given("action"), compensate: given("compensate") });
  const tcc = inProcessTransport({ try: given("try"), confirm: given("confirm"), cancel: given("cancel") });
  const transport: Transport = {
    features: { inProcess: true },
    call: (call, signal) => (call.op === "action" || call.op === "compensate" ? saga : tcc).call(call, signal),
    close: () => saga.close(),
  };
  return { transport, close: () => Promise.resolve() };
});
