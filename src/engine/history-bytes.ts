import type { Cell } from '../topology/definition.ts'
import type { Dictionary } from './dictionary.ts'
import type { History } from './history.ts'
import type { Layout } from './layout.ts'
import type { StateReader, StateWriter } from './state-bytes.ts'

// The events of one key as bytes, in order. Blocks and summaries are not written: they follow from
// the events.

/**
 * Writes the time of the newest pruned event, the number of events, and for each event its time and
 * its cells.
 */
export function writeHistory(history: History, layout: Layout, into: StateWriter): void {
  const dictionaries = dictionariesOf(layout)
  into.number(history.newestPrunedMs)
  into.whole(history.size)
  for (const buffer of history.buffers()) {
    for (let i = buffer.start; i < buffer.end; i++) {
      into.number(buffer.timeAt(i))
      for (let c = 1; c < layout.columns; c++) {
        const number = buffer.data[buffer.column(c) + i] as number
        into.cell(dictionaries[c]?.cellOf(number) ?? number)
      }
    }
  }
}

/**
 * Inserts the written events into an empty history. @param entered called with the time of each
 * event
 */
export function readHistory(
  history: History,
  layout: Layout,
  { from, entered }: { readonly from: StateReader; readonly entered: (timeMs: number) => void },
): void {
  const dictionaries = dictionariesOf(layout)
  const cells = new Float64Array(layout.columns - 1)
  history.newestPrunedMs = from.number()
  const size = from.whole()
  for (let i = 0; i < size; i++) {
    const timeMs = from.number()
    for (let c = 1; c < layout.columns; c++) {
      cells[c - 1] = numberOf(from.cell(), dictionaries[c] ?? null)
    }
    entered(timeMs)
    history.insert(timeMs, cells)
  }
}

function numberOf(cell: Cell, dictionary: Dictionary | null): number {
  return dictionary === null ? Number(cell) : dictionary.hold(dictionary.numberOf(cell))
}

/** The dictionary of each column; `null`: it holds no texts. */
function dictionariesOf({ columns, texts }: Layout): readonly (Dictionary | null)[] {
  return Array.from({ length: columns }, (_, c) => {
    return texts.find(({ column }) => column === c)?.dictionary ?? null
  })
}
