import { loseSome, loss } from "./loss.ts";
import type { Fault } from "../fault.ts";

const DELAY_MS = 200;

/**
 * What services say to each other comes 200 ms later, in each direction, and one packet in twenty is lost. The way to the database only loses:
 * at 400 ms a round trip each placement alone is over the two seconds that a buyer waits, and the run says how long he waits, and no more.
 */
export const delayAndLoss: Fault = {
  ...loss,
  name: "delay-and-loss",
  mechanism: `TCP proxies delay what services say to each other by ${DELAY_MS} ms in each direction; ${loss.mechanism}`,
  async inject(scene) {
    const letPass = await loseSome(scene);
    const proxies = scene.platform.wires.map(({ proxy }) => proxy);
    for (const proxy of proxies) proxy.delay(DELAY_MS);
    return async () => {
      for (const proxy of proxies) proxy.delay(0);
      await letPass();
    };
  },
};
