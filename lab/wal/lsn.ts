/** Positions in the write-ahead log: 64 bits, which as text are two halves and as a number are more than a number holds. */

export function lsnOf(text: string): bigint {
  const halves = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (halves === null) throw new RangeError(`"${text}" is no position in a write-ahead log`);
  return (BigInt(`0x${halves[1] ?? "0"}`) << 32n) | BigInt(`0x${halves[2] ?? "0"}`);
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}
