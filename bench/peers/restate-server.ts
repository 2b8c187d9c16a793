import { createRequire } from "node:module";
import { freePort, leashedFolder, removeLeashedFolder, spawnLeashed } from "@tripact/testbed";

/** A Restate server on loopback, one node, with a new data folder. */
export interface RestateServer {
  ingressPort: number;
  /** Makes the services at this port callable. */
  register(servicePort: number): Promise<void>;
  stop(): Promise<void>;
}

const startCapMs = 30_000;
const pollMs = 100;

/** @param partitions the server's own default when left out. It syncs its write-ahead log by default; nothing here changes that. */
export async function startRestateServer(partitions?: number): Promise<RestateServer> {
  const dataFolder = leashedFolder("/var/tmp/tripact-restate-");
  const [nodePort, ingressPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const server = await spawnLeashed({
    command: serverBinary(),
    args: [
      "--no-logo",
      "--log-filter=error",
      "--listen-mode=tcp",
      "--bind-ip=127.0.0.1",
      "--advertised-host=127.0.0.1",
      "--node-name=bench",
      `--bind-port=${nodePort}`,
      `--base-dir=${dataFolder}`,
      ...(partitions === undefined ? [] : [`--default-num-partitions=${partitions}`]),
    ],
    env: {
      ...process.env,
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_INGRESS__BIND_PORT: String(ingressPort),
      RESTATE_ADMIN__BIND_PORT: String(adminPort),
    },
  });
  const admin = `http://127.0.0.1:${adminPort}`;
  await untilOk(() => fetch(`${admin}/health`));
  return {
    ingressPort,
    register: (servicePort) =>
      untilOk(() =>
        fetch(`${admin}/deployments`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ uri: `http://127.0.0.1:${servicePort}` }),
        }),
      ),
    async stop() {
      await server.killWhole();
      removeLeashedFolder(dataFolder);
    },
  };
}

/** The program itself. Its npm wrapper is one more process between us and the kill. */
function serverBinary(): string {
  return createRequire(import.meta.url).resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
}

async function untilOk(ask: () => Promise<Response>): Promise<void> {
  const giveUpAt = performance.now() + startCapMs;
  for (;;) {
    const answer = await ask().then(
      (response) => (response.ok ? undefined : `status ${response.status}`),
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (answer === undefined) return;
    if (performance.now() > giveUpAt) throw new Error(`Restate is not ready: ${answer}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
