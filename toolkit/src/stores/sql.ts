/**
 * The seam through which the toolkit uses a transaction that somebody else opened, whatever library opened it. `text` has `$1`
 * placeholders; one statement a call. A `pg` client fits after wrapping: `(text, values) => client.query(text, values)`.
 */
export interface SqlExecutor {
  execute(text: string, values: readonly unknown[]): Promise<SqlResult>;
}

export interface SqlResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
}

const WRITES_MESSAGES = /\binsert\s+into\s+"?tripact"?\."?outbox(_debezium)?\b/i;

/** Passes every statement on, and tells when one has written to the outbox: after its commit there is something to deliver. */
export function hearingMessages(db: SqlExecutor, hear: () => void): SqlExecutor {
  return {
    async execute(text, values) {
      const result = await db.execute(text, values);
      if (WRITES_MESSAGES.test(text)) hear();
      return result;
    },
  };
}
