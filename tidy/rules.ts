import { noCycles } from "./rules/cycles.ts";
import { decisionShape } from "./rules/decisions.ts";
import { importLaws } from "./rules/import-law.ts";
import { exactTools, freeLockfile, noDrivers, noInstallScripts, wholeDoors } from "./rules/manifests.ts";
import { noDrawers } from "./rules/names.ts";
import { noPlaces } from "./rules/places.ts";
import { fileSize, folderSize, portSize } from "./rules/sizes.ts";
import type { Rule } from "./tree.ts";

/** What the linter and the compiler cannot say about this tree. */
export const rules: readonly Rule[] = [
  ...importLaws,
  noCycles,
  fileSize,
  folderSize,
  portSize,
  noDrawers,
  decisionShape,
  noPlaces,
  noInstallScripts,
  noDrivers,
  wholeDoors,
  exactTools,
  freeLockfile,
];
