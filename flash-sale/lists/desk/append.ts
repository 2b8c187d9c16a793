/** The transaction itself, in two ways: appended at once and taken back when it fails, or set aside and shown when it is decided. */
import { saga as define, type Participant, type Saga, type SagaParticipant, type TccParticipant } from "tripact";
import { httpParticipant } from "tripact/http";
import type { Answered, Append, ListsMode, OfKey, Transaction } from "../contracts.ts";

export interface Appending {
  readonly definition: Saga<Transaction, readonly Answered[]>;
  readonly participants: readonly Participant[];
}

interface Keeper {
  readonly read: SagaParticipant<OfKey, readonly number[] | null>;
  readonly append: SagaParticipant<Append, null>;
  readonly aside: TccParticipant<Append, null>;
}

/** A key's keeper is its remainder by their number, so their number never changes. */
export function appendingAt(keeperUrls: readonly string[], mode: ListsMode, secret: string): Appending {
  const keepers = keeperUrls.map((origin, index): Keeper => {
    const at = (path: string) => ({ name: `keeper-${index + 1}/${path}`, url: `${origin}/lists/${path}`, secret });
    return { read: httpParticipant({ kind: "saga", ...at("read") }), append: httpParticipant({ kind: "saga", ...at("append") }), aside: httpParticipant({ kind: "tcc", ...at("aside") }) };
  });
  const keeperOf = (key: number): Keeper => {
    const keeper = keepers[key % keepers.length];
    if (keeper === undefined) throw new Error("there is no keeper");
    return keeper;
  };
  const definition = define(`append-by-${mode}`, async (tx, { txn }: Transaction) => {
    const answered: Answered[] = [];
    // One after the other: what a transaction reads is what it had come to, and the undo of a saga goes the same way back.
    for (const [index, asked] of txn.entries()) {
      const key = asked[1];
      const { read, append, aside } = keeperOf(key);
      if (asked[0] === "r") {
        answered.push(["r", key, await tx.step(`${index}-read`, read, { key })]);
        continue;
      }
      const appended = { key, element: asked[2] };
      if (mode === "saga") await tx.step(`${index}-append`, append, appended);
      else await tx.tcc(`${index}-append`, aside, appended);
      answered.push(asked);
    }
    return answered;
  });
  return { definition, participants: keepers.flatMap(({ read, append, aside }) => [read, append, aside]) };
}
