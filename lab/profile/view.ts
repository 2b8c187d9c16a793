import { basename } from "node:path";
import type { ProfileView } from "../results/views.ts";
import type { View } from "../views/view.ts";
import { folderOf, parseProfile, PROFILE_USAGE } from "./options.ts";
import { measureProfile } from "./profile.ts";
import { profileText, type ProfileFigures } from "./summary.ts";

export const profileView: View = {
  name: "profile",
  usage: PROFILE_USAGE,
  quickArgs: ["--seconds", "5"],
  prepare(args) {
    const { jsonFile, into, ...options } = parseProfile(args);
    return {
      jsonFile,
      into,
      async measure({ onProgress, signal, folder }) {
        const figures = await measureProfile({ ...options, folder: folderOf(options, folder) }, { onProgress, signal });
        return { text: profileText(figures), figures, part: { profile: partOf(figures, new Date()) }, failed: false };
      },
    };
  },
};

export function partOf({ seed, mode, compensations, latencyMs, gc, loopMaxMs, allocatedBytesEach, slowest, cpu, files }: ProfileFigures, now: Date): ProfileView {
  return {
    measuredAt: now.toISOString(), seed, mode, compensations, latencyMs, gc, loopMaxMs, allocatedBytesEach,
    slowest: slowest.map(({ ms, gcMs, loopMaxMs: loop }) => ({ ms, gcMs, loopMaxMs: loop })),
    ...cpu,
    files: files.map((file) => basename(file)),
  };
}
