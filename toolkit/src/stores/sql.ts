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
