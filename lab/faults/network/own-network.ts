import { inPrivateNetwork } from "@tripact/testbed";

/** Where the kernel loses packets. Only a process inside can do it; `npm run lab` starts itself again in there. */
export const OWN_NETWORK = {
  needsRoot: true,
  network: "own",
  notPossible: () => (inPrivateNetwork() ? undefined : "it needs a network of its own, which npm run lab makes, as root on Linux"),
} as const;
