import { configFault } from '../../kernel/errors.ts'
import { jsonOrNull } from '../../kernel/json.ts'
import { fileRow, InputLines } from '../../records/files/input-lines.ts'
import { NUMERIC } from '../../records/files/tabular.ts'
import { valueAt } from '../arguments.ts'

// Labels of training rows: what became known of an event later. A label counts only within a time
// after its event, so that a row does not change once that time has passed.

/** `immature`: a label may still come. */
export type LabelState = 'labelled' | 'none' | 'immature'

export interface LabelFlags {
  readonly labels?: string
  readonly labelBy?: string
  readonly label?: string
  readonly labelAt?: string
  /** ms */
  readonly within?: number
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

  private constructor(field: string, withinMs: number) {
    this.field = field
    this.#withinMs = withinMs
  }

  /**
   * @param folder for what DuckDB spills
   * @returns `null`: rows get none
   * @throws TidemarkError `CONFIG_INVALID`: a line has no id or no time
   */
  static async open(flags: LabelFlags, folder: string): Promise<Labels | null> {
    const { labels: path, labelBy = '', label = '', labelAt = '', within = 0 } = flags
    if (path === undefined) return null
    const { id, field } = labelFields(labelBy)
    const labels = new Labels(field, within)
    // CSV does not say what is a number.
    const fieldOf = (name: string) => ([label, labelAt].includes(name) ? NUMERIC : null)
    const input = await InputLines.open([path], fieldOf, folder)
    for await (const { memory, starts, ends, places } of input.blocks()) {
      for (const [line, start] of starts.entries()) {
        const { file, row } = fileRow(input.files, places[line] as number)
        const given = jsonOrNull(memory.text(start, ends[line] as number))
        labels.#add(given, [id, label, labelAt], `${file}:${row}`)
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

  #add(line: unknown, columns: readonly string[], where: string): void {
    const [id, value, time] = columns.map((column) => valueAt(line, column) ?? null)
    const atMs = typeof time === 'string' ? Date.parse(time) : Number(time ?? Number.NaN)
    const isId = typeof id === 'string' || typeof id === 'number'
    if (!isId || Number.isNaN(atMs)) {
      throw configFault(`a label needs ${columns[0]}, and ${columns[2]} as a time`, where)
    }
    this.#knownToMs = Math.max(this.#knownToMs, atMs)
    if (value === null) return
    const own = this.#labels.get(String(id)) ?? []
    this.#labels.set(String(id), own)
    own.push({ atMs, value })
  }
}

/** `id=flightId`: the column of the labels, and the field of the event. */
export function labelFields(labelBy: string): { readonly id: string; readonly field: string } {
  const [id = '', field = id] = labelBy.split('=')
  return { id, field }
}
