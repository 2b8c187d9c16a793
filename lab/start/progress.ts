/** Shows that something goes on: one line that is rewritten on a terminal, elsewhere a line every two seconds. */

type Detail = string | (() => string);

export interface Progress {
  /** What goes on from now, until the next. */
  now(text: string): void;
  /** How far it has come; a function is asked anew whenever it is shown. */
  detail(text: Detail): void;
  /** A line that stays. */
  say(line: string): void;
  /** Takes the line away for whatever else is to be printed; it comes back. */
  clear(): void;
  /** Twice does no harm. */
  stop(): void;
}

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 250;
const LINE_MS = 2_000;
const CLEAR = "\r\u001B[K";

export function showProgress(screen: Screen, clockMs: () => number = () => performance.now()): Progress {
  const onTerminal = screen.isTTY === true;
  const begunAt = clockMs();
  let doing = "starting";
  let how: Detail = "";
  let sinceMs = begunAt;
  const seconds = (fromMs: number): string => `${Math.floor((clockMs() - fromMs) / 1_000)} s`;
  const line = (): string => `${seconds(begunAt).padStart(5)}  ${doing} (${seconds(sinceMs)})${how === "" ? "" : `: ${textOf(how)}`}`;
  const draw = (): void => {
    // A line that wraps cannot be rewritten.
    if (onTerminal) screen.write(CLEAR + line().slice(0, (screen.columns ?? 80) - 1));
    else screen.write(`${line()}\n`);
  };
  const timer = setInterval(draw, onTerminal ? REDRAW_MS : LINE_MS);
  timer.unref();
  return {
    now(text) {
      if (text !== doing) sinceMs = clockMs();
      doing = text;
      how = "";
      if (onTerminal) draw();
    },
    detail(text) {
      how = text;
    },
    say(text) {
      screen.write(onTerminal ? `${CLEAR}${text}\n` : `${text}\n`);
    },
    clear() {
      if (onTerminal) screen.write(CLEAR);
    },
    stop() {
      clearInterval(timer);
      if (onTerminal) screen.write(CLEAR);
    },
  };
}

/** The same, with how long it still takes behind all that goes on. */
export function withTimeLeft(progress: Progress, left: () => string): Progress {
  return {
    ...progress,
    now(text) {
      progress.now(text);
      progress.detail(left);
    },
    detail: (how) => progress.detail(() => `${textOf(how)}; ${left()}`),
  };
}

function textOf(detail: Detail): string {
  return typeof detail === "string" ? detail : detail();
}
