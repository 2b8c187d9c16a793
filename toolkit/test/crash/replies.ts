import { afterCommand, type ReplyWatcher } from "@tripact/testbed";

/** Runs `seen` at each reply to a flush, on whatever connection: a batch says how many it applied, a write that is alone that it inserted one row. */
export function atFlushReply(seen: () => boolean): ReplyWatcher {
  return () => {
    const insertedOne = afterCommand(/^INSERT 0 1$/)();
    return (bytes) => {
      const alone = insertedOne(bytes);
      return bytes.includes("applied\0") || alone ? seen() : false;
    };
  };
}
