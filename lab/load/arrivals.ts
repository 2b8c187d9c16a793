/** When requests are meant to start, and who makes them: decided before the phase, by its seed alone. */

/** A small generator of numbers in [0, 1), the same ones for the same seed everywhere (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Start times in ms from the phase's start, ascending: one in each slot of 1/rate, at a random place in it.
 *
 * Why not Poisson: recovery is judged by windows of one second against the lowest window without a fault, and a Poisson
 * process of 300/s makes windows that differ by a sixth on its own. Why not a bare grid: it would beat in time with the ticks of whatever
 * it measures. This way every second has its exact count, and no two runs of one seed differ.
 */
export function* arrivals(ratePerSecond: number, seconds: number, random: () => number): Generator<number, void, undefined> {
  const slotMs = 1000 / ratePerSecond;
  const count = arrivalCount(ratePerSecond, seconds);
  for (let slot = 0; slot < count; slot += 1) yield (slot + random()) * slotMs;
}

export function arrivalCount(ratePerSecond: number, seconds: number): number {
  return Math.round(ratePerSecond * seconds);
}

/** The buyers in the order in which they take turns. */
export function turns(buyers: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: buyers }, (_, index) => index);
  for (let last = buyers - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const held = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = held;
  }
  return order;
}
