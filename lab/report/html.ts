/** Text becomes markup in one place only: whatever is put into `html` and is not markup already is escaped. */

const MARKUP: unique symbol = Symbol("markup");

export interface Html {
  readonly [MARKUP]: string;
}

export type Content = Html | string | number | null | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** What a text may hold that no page may: control characters, and those that turn the direction of what follows. */
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;

export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return { [MARKUP]: parts.reduce((text, part, index) => text + markupOf(contents[index - 1]) + part) };
}

/** Of our own making only: a style sheet, a script. */
export function trusted(markup: string): Html {
  return { [MARKUP]: markup };
}

export function textOf(markup: Html): string {
  return markup[MARKUP];
}

export function escaped(text: string): string {
  return text.replace(UNSEEN, "\ufffd").replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** The same in both languages; the page shows one. */
export function both(english: Content, chinese: Content): Html {
  return html`<span lang="en">${english}</span><span lang="zh">${chinese}</span>`;
}

function markupOf(content: Content): string {
  if (content === null || content === undefined) return "";
  if (typeof content === "object") return isList(content) ? content.map(markupOf).join("") : content[MARKUP];
  return escaped(String(content));
}

function isList(content: Html | readonly Content[]): content is readonly Content[] {
  return Array.isArray(content);
}
