/** Every fault that the lab knows, the control first: what the others are compared with. */
import { clockSkewed } from "./clock-skewed.ts";
import { diskFull } from "./disk/disk-full.ts";
import { powerLost, powerLostRestarted } from "./disk/power-lost.ts";
import { busy } from "./busy.ts";
import type { Fault } from "./fault.ts";
import { coordinatorKilled } from "./killed/coordinator.ts";
import { gatewayKilled } from "./killed/gateway.ts";
import { relayKilled } from "./killed/relay.ts";
import { serviceKilled } from "./killed/service.ts";
import { delayAndLoss } from "./network/delay-and-loss.ts";
import { hostLost } from "./network/host-lost.ts";
import { loss } from "./network/loss.ts";
import { partitionDropped, repliesDropped } from "./network/partition-dropped.ts";
import { none } from "./none.ts";
import { paused } from "./paused.ts";
import { primaryKilled } from "./primary-killed.ts";
import { primaryRestarted } from "./primary-restarted.ts";
import { cutAfterCommit } from "./sessions/cut-after-commit.ts";
import { poolExhausted } from "./sessions/pool-exhausted.ts";
import { bandwidth } from "./wires/bandwidth.ts";
import { blackHole } from "./wires/black-hole.ts";
import { cutAfterReply } from "./wires/cut-after-reply.ts";
import { delay } from "./wires/delay.ts";
import { halfOpen } from "./wires/half-open.ts";
import { partition } from "./wires/partition.ts";
import { reset } from "./wires/reset.ts";
import { secondStepInterrupted } from "./wires/second-step.ts";

export const FAULTS: readonly Fault[] = [
  none,
  busy,
  coordinatorKilled,
  partition,
  gatewayKilled,
  serviceKilled,
  relayKilled,
  paused,
  ...[partitionDropped, repliesDropped, loss, delayAndLoss, hostLost],
  ...[delay, bandwidth, reset, halfOpen, blackHole, cutAfterReply, secondStepInterrupted],
  ...[cutAfterCommit, poolExhausted, clockSkewed],
  ...[primaryRestarted, diskFull, powerLostRestarted, primaryKilled, powerLost],
];

export function faultNamed(name: string): Fault | undefined {
  return FAULTS.find((fault) => fault.name === name);
}
