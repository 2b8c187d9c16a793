/** Why the platform could not be brought up, or asked; `code` for programs, the message for people: what, where, and what to do. */
export type PlatformFault = "not-ready" | "already-running" | "stopped" | "port-in-use" | "sale-not-opened";

export class PlatformError extends Error {
  readonly code: PlatformFault;
  constructor(code: PlatformFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PlatformError";
    this.code = code;
  }
}
