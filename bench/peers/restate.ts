import { once } from "node:events";
import { Agent, request } from "node:http";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { createEndpointHandler, service } from "@restatedev/restate-sdk";
import type { Context } from "@restatedev/restate-sdk";
import { runEngine } from "../runner.ts";
import type { Engine, RunnerTask } from "../runner.ts";
import { startRestateServer } from "./restate-server.ts";

const noop = service({
  name: "noop",
  handlers: {
    run: async (ctx: Context) => {
      await ctx.run("one", () => null);
      await ctx.run("two", () => null);
      await ctx.run("three", () => null);
    },
  },
});

/**
 * Restate: its server, and in this process a service over HTTP/2, called through the ingress. The variant is the
 * number of partitions; empty is the server's default (24). The logger is silenced: a line per call is not free.
 */
async function start({ variant }: RunnerTask): Promise<Engine> {
  const services = createServer(createEndpointHandler({ services: [noop], logger: () => undefined }));
  services.listen(0, "127.0.0.1");
  await once(services, "listening");
  const server = await startRestateServer(variant === "" ? undefined : Number(variant));
  await server.register((services.address() as AddressInfo).port);

  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  return {
    once: () => callThrough(agent, server.ingressPort),
    async stop() {
      agent.destroy();
      await server.stop();
      services.close();
    },
  };
}

/** One call, start to result. `node:http` costs a fraction of `fetch`, and this process shares the two cores. */
function callThrough(agent: Agent, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ agent, host: "127.0.0.1", port, method: "POST", path: "/noop/run", headers: { "content-length": 0 } }, (response) => {
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`Restate answered ${response.statusCode}`));
      });
      response.resume();
    });
    call.on("error", reject);
    call.end();
  });
}

await runEngine(start);
