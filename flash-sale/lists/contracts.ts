/** What the two kinds of processes of the lists say to each other, and the desk to its clients. */

/** `["append", key, element]`, or `["r", key]`. */
export type Asked = readonly ["append", number, number] | readonly ["r", number];

/** The same, and a read has what it saw: `null` where nobody has ever appended. */
export type Answered = readonly ["append", number, number] | readonly ["r", number, readonly number[] | null];

export interface Transaction {
  /** The transaction's id at the coordinator: the same one again is the same transaction. */
  readonly id: string;
  readonly txn: readonly Asked[];
}

/** `ok`: all of it. `fail`: nothing of it is left. An answer that is neither is none: nobody knows. */
export type Ended = { readonly outcome: "ok"; readonly txn: readonly Answered[] } | { readonly outcome: "fail"; readonly code: string };

export type Desk = { readonly "/append": { readonly asks: Transaction; readonly answers: Ended } };

/** To a keeper. */
export type OfKey = { readonly key: number };
export type Append = OfKey & { readonly element: number };

export const MODES = ["saga", "tcc"] as const;
export type ListsMode = (typeof MODES)[number];
