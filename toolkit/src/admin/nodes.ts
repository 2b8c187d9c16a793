import type { Membership, NodeRow } from "../stores/store.ts";

/** Nobody's incarnation: raising its counter raises nothing, and what comes back is who is there. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** The nodes that the store knows of, by incarnation, for people to read. A node without a row has left or was forgotten. */
export interface Nodes {
  /** `worker-1/1f3a9c2e`; of a node that is gone only its incarnation's beginning. */
  nameOf(incarnation: string | null): string;
  /** The row of a node that was not declared dead. Its process may be gone all the same, until another node notices. */
  living(incarnation: string | null): NodeRow | undefined;
  /** The nodes that say that they can run this definition. */
  running(definition: string, version: string): readonly NodeRow[];
}

export async function readNodes(membership: Membership): Promise<Nodes> {
  return nodesOf(await membership.beat(NOBODY));
}

export function nodesOf(rows: readonly NodeRow[]): Nodes {
  const byIncarnation = new Map(rows.map((row) => [row.incarnation, row]));
  return {
    nameOf(incarnation) {
      if (incarnation === null) return "nobody";
      const short = incarnation.slice(0, 8);
      const row = byIncarnation.get(incarnation);
      return row === undefined ? short : `${row.name}/${short}`;
    },
    living(incarnation) {
      const row = incarnation === null ? undefined : byIncarnation.get(incarnation);
      return row?.fenced === false ? row : undefined;
    },
    running: (definition, version) =>
      rows.filter((row) => !row.fenced && row.runs.some((run) => run.definition === definition && run.version === version)),
  };
}
