import fc from "fast-check";

/** Every property of a run has the same seed, and the run says it: `TRIPACT_SEED=<seed> npx node --test FILE` repeats it. */
export const seed = Number(process.env["TRIPACT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

fc.configureGlobal({ seed });
console.log(`TRIPACT_SEED=${seed}`);
