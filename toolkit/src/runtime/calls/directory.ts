import { TripactError } from "../../protocol/errors.ts";
import type { DefinitionVersion } from "../../stores/store.ts";
import type { Participant } from "../../transports/participant.ts";
import type { Runnable } from "../driver.ts";

export interface DirectoryOptions {
  readonly definitions: readonly Runnable[];
  readonly participants: readonly Participant[];
  /** Reaches participants that are not registered by name: by their URL. */
  readonly resolve?: (target: string) => Participant | undefined;
}

/** Resolved participants hold connections: no more of them are kept than this, the oldest goes first. */
const RESOLVED_MAX = 1_000;
const NAME = /^[\w.:-]{1,128}$/;

/** What this node can run and reach. Checked once, at start. */
export class Directory {
  readonly #definitions = new Map<string, Runnable>();
  readonly #participants = new Map<string, Participant>();
  /** In order of use. */
  readonly #resolved = new Map<string, Participant>();
  readonly #resolve: (target: string) => Participant | undefined;

  constructor(options: DirectoryOptions) {
    for (const runnable of options.definitions) {
      const key = keyOf(runnable.definition, runnable.version);
      if (!NAME.test(runnable.definition) || !NAME.test(runnable.version)) {
        throw new TripactError("invalid-option", "A definition's name and version have 1 to 128 letters, digits, dots, dashes, colons.", { where: key });
      }
      if (this.#definitions.has(key)) throw new TripactError("invalid-option", "This definition is given twice.", { where: key });
      this.#definitions.set(key, runnable);
    }
    for (const participant of options.participants) {
      if (participant.target === undefined) throw new TripactError("invalid-option", "A registered participant has a name or a URL.", { where: "participants" });
      if (this.#participants.has(participant.target)) throw new TripactError("invalid-option", "This participant is given twice.", { where: participant.target });
      this.#participants.set(participant.target, participant);
    }
    this.#resolve = options.resolve ?? (() => undefined);
  }

  definition(definition: string, version: string): Runnable | undefined {
    return this.#definitions.get(keyOf(definition, version));
  }

  participant(target: string): Participant | undefined {
    const known = this.#participants.get(target);
    if (known !== undefined) return known;
    const resolved = this.#resolved.get(target) ?? this.#resolve(target);
    if (resolved === undefined) return undefined;
    this.#resolved.delete(target);
    this.#resolved.set(target, resolved);
    for (const [oldest, participant] of this.#resolved) {
      if (this.#resolved.size <= RESOLVED_MAX) break;
      this.#resolved.delete(oldest);
      participant.transport.close().catch(() => undefined);
    }
    return resolved;
  }

  /** Of a registered participant. One that is found by its URL is asked whatever the plan says. */
  kindOf(target: string): Participant["kind"] | undefined {
    return this.#participants.get(target)?.kind;
  }

  runs(): readonly DefinitionVersion[] {
    return [...this.#definitions.values()].map(({ definition, version }) => ({ definition, version }));
  }
}

function keyOf(definition: string, version: string): string {
  return `${definition}@${version}`;
}
