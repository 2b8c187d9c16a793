import type { ModeName } from "../contracts.ts";
import { choreography } from "./choreography.ts";
import type { Mode } from "./mode.ts";
import { naive } from "./naive.ts";
import { outbox } from "./outbox.ts";
import { saga } from "./saga.ts";
import { tcc } from "./tcc.ts";

const modes: Readonly<Record<ModeName, Mode>> = { naive, saga, choreography, tcc, outbox };

export function modeOf(name: ModeName): Mode {
  return modes[name];
}
