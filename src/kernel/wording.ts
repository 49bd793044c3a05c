// Numbers and tables as text for people.

/** `1,234,567`. By hand, because loading the data of Intl takes 10 ms of each start. */
export function grouped(n: number): string {
  const [whole = '', fraction] = String(Math.round(n * 1_000) / 1_000).split('.')
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? groups : `${groups}.${fraction}`
}

export function plural(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`
}

/** A duration in ms with three significant digits, down to a microsecond. */
export function shownMs(ms: number): string {
  return ms >= 100 ? grouped(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : ms >= 1 ? 2 : 3)
}

/**
 * Lines of a table; the first column is left-aligned, the others are right-aligned.
 * @param plot text behind each row, such as a bar
 */
export function table(
  rows: readonly (readonly string[])[],
  plot: readonly string[] = [],
): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const at = (i: number) => widths[i] ?? 0
  return rows.map((row, n) => {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(at(i)) : cell.padStart(at(i))))
    return [...cells, plot[n] ?? ''].join('  ').trimEnd()
  })
}

/** A text of at most so many characters; an ellipsis is in place of others. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

/** Controls of terminals, line breaks, marks that change the direction of text, half surrogates. */
const CONTROLS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/**
 * Escapes control characters of a text that others have sent, so that it can be printed. A line of
 * JSON stays the same JSON.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const NAMED = 5

/** Five of many names; the others are counted. */
export function someOf(names: readonly string[]): string {
  const others = names.length > NAMED ? ` and ${grouped(names.length - NAMED)} more` : ''
  return `${names.slice(0, NAMED).join(', ')}${others}`
}
