import { configFault } from '../../kernel/errors.ts'
import { jsonOrNull } from '../../kernel/json.ts'
import { InputLines } from '../../records/files/input-lines.ts'
import { NUMBER } from '../../records/files/tabular.ts'
import { valueAt } from '../arguments.ts'

// Labels of training rows: what became known of an event later. A label counts only within a time
// after its event, so that a row does not change once that time has passed.

/** `immature`: a label may still come. */
export type LabelState = 'labelled' | 'none' | 'immature'

interface LabelColumns {
  /** Column of the labels that identifies the event. */
  readonly id: string
  /** The field of the event that has the same. */
  readonly field: string
  readonly label: string
  /** When it became known, ms since the epoch or ISO 8601. */
  readonly at: string
  readonly withinMs: number
}

interface Label {
  readonly atMs: number
  readonly value: unknown
}

export class Labels {
  readonly field: string
  readonly #withinMs: number
  /** By id, in the order of the file. */
  readonly #labels = new Map<string, Label[]>()
  /** When the last label became known: nothing is known after it. */
  #knownToMs = Number.NEGATIVE_INFINITY

  private constructor({ field, withinMs }: LabelColumns) {
    this.field = field
    this.#withinMs = withinMs
  }

  /**
   * @param folder for what DuckDB spills
   * @throws TidemarkError `CONFIG_INVALID`: a line has no id or no time
   */
  static async open(path: string, columns: LabelColumns, folder: string): Promise<Labels> {
    const labels = new Labels(columns)
    const { label, at } = columns
    // CSV does not say what is a number.
    const fieldOf = (name: string) => ([label, at].includes(name) ? NUMBER : null)
    const input = await InputLines.open([path], fieldOf, folder)
    for await (const { memory, starts, ends, places } of input.blocks()) {
      for (const [line, start] of starts.entries()) {
        const { file, row } = input.at(places[line] as number)
        const given = jsonOrNull(memory.text(start, ends[line] as number))
        labels.#add(given, columns, `${file}:${row}`)
      }
    }
    input.close()
    return labels
  }

  /** The first label of an event that became known in time. */
  of(
    id: unknown,
    eventTimeMs: number,
  ): { readonly label: unknown; readonly labelState: LabelState } {
    const untilMs = eventTimeMs + this.#withinMs
    let first: Label | null = null
    for (const label of this.#labels.get(String(id)) ?? []) {
      if (label.atMs < eventTimeMs || label.atMs > untilMs) continue
      if (first === null || label.atMs < first.atMs) first = label
    }
    if (first !== null) return { label: first.value, labelState: 'labelled' }
    return { label: null, labelState: this.#knownToMs >= untilMs ? 'none' : 'immature' }
  }

  #add(line: unknown, { id, label, at }: LabelColumns, where: string): void {
    const [given, value, time] = [id, label, at].map((column) => valueAt(line, column) ?? null)
    const atMs = typeof time === 'string' ? Date.parse(time) : Number(time ?? Number.NaN)
    const isId = typeof given === 'string' || typeof given === 'number'
    if (!isId || Number.isNaN(atMs)) {
      throw configFault(`a label needs ${id}, and ${at} as a time`, where)
    }
    this.#knownToMs = Math.max(this.#knownToMs, atMs)
    if (value === null) return
    const own = this.#labels.get(String(given)) ?? []
    this.#labels.set(String(given), own)
    own.push({ atMs, value })
  }
}
