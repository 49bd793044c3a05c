import { fileRow, InputLines } from '../../connect/files/input-lines.ts'
import { NUMERIC } from '../../connect/files/tabular.ts'
import { likelyUnit } from '../../formats/identity.ts'
import { type Clock, wallClock } from '../../kernel/clock.ts'
import { configFault, TidemarkError } from '../../kernel/errors.ts'
import { groupedBy } from '../../kernel/grouped.ts'
import { isoTimeMs } from '../../kernel/iso-time.ts'
import { jsonOrNull, valueAt } from '../../kernel/json.ts'
import { isEventTime } from '../../kernel/time.ts'

// Labels of training rows: facts about an event that became known later. A label counts only within
// a time after its event, so that a row does not change once that time has passed.

export interface LabelOptions {
  readonly labels?: string
  readonly labelBy?: string
  readonly label?: string
  readonly labelAt?: string
  /** ms */
  readonly within?: number
  /** A time. @default when the last label became known */
  readonly knownTo?: string
}

interface Label {
  readonly id: string
  readonly atMs: number
  readonly value: unknown
}

interface OpenLabels {
  /** The field of the event that has its id. */
  readonly field: string
  readonly withinMs: number
  /** Nothing is known after it. */
  readonly knownToMs: number
  /** By id, the labels that are known, in the order of the file. */
  readonly byId: ReadonlyMap<string, readonly Label[]>
}

/** Times of labels, in words. */
export const TIMES = 'a time is ms since the epoch, 2026-01-05T06:00:00Z or 2026-01-05'
const SCALAR = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g

export class Labels {
  readonly #o: OpenLabels

  private constructor(options: OpenLabels) {
    this.#o = options
  }

  /**
   * @param folder for the files that DuckDB spills
   * @returns `null`: rows get none
   * @throws TidemarkError `CONFIG_INVALID`: a line has no id or time, or one that is yet to come; no
   * line has the label's field · `TIME_UNIT`: a time is in another unit
   */
  static async open(
    options: LabelOptions,
    folder: string,
    clock: Pick<Clock, 'nowMs'> = wallClock,
  ) {
    const { labels: path, labelBy = '', label = '', labelAt = '', within = 0 } = options
    if (path === undefined) return null
    const { id, field } = labelFields(labelBy)
    const nowMs = clock.nowMs()
    // CSV does not say which values are numbers.
    const fieldOf = (name: string) => ([label, labelAt].includes(name) ? NUMERIC : null)
    const input = await InputLines.open([path], fieldOf, folder)
    const labels: Label[] = []
    let newestMs = Number.NEGATIVE_INFINITY
    let isNamed: boolean | null = null
    for await (const { memory, starts, ends, places } of input.blocks()) {
      for (const [i, start] of starts.entries()) {
        const { file, row } = fileRow(input.files, places[i] as number)
        const where = `${file}:${row}`
        const json = memory.text(start, ends[i] as number)
        const line = jsonOrNull(json)
        const eventId = idText(valueAt(line, id), id, () => json)
        const atMs = labelMs(valueAt(line, labelAt))
        if (eventId === null || Number.isNaN(atMs)) {
          throw configFault(`a label needs ${id}, and ${labelAt} as a time`, where, TIMES)
        }
        if (!isEventTime(atMs)) {
          const message = `${labelAt} ${atMs} ${likelyUnit(atMs)}`
          throw new TidemarkError('TIME_UNIT', message, { where, hint: TIMES })
        }
        if (atMs > nowMs) throw configFault(`${labelAt} ${atMs} is yet to come`, where)
        const value = valueAt(line, label)
        isNamed ||= value !== undefined
        newestMs = Math.max(newestMs, atMs)
        if ((value ?? null) !== null) labels.push({ id: eventId, atMs, value })
      }
    }
    input.close()
    if (isNamed === false) throw configFault(`no line has a field "${label}"`, path)
    const knownToMs = options.knownTo === undefined ? newestMs : labelMs(options.knownTo)
    const byId = groupedBy(labels, (entry) => (entry.atMs <= knownToMs ? entry.id : undefined))
    return new Labels({ field, withinMs: within, knownToMs, byId })
  }

  /**
   * The first label of an event that became known in time. `immature`: one may still come.
   * @param json gives the event, whose id may not be exact in the row
   */
  of(row: Readonly<Record<string, unknown>>, eventTimeMs: number, json: () => string) {
    const { field, withinMs, knownToMs, byId } = this.#o
    const untilMs = eventTimeMs + withinMs
    const labels = byId.get(idText(row[field], field, json) as string) ?? []
    const inTime = labels.filter(({ atMs }) => atMs >= eventTimeMs && atMs <= untilMs)
    const [first] = inTime.sort((a, b) => a.atMs - b.atMs)
    if (first !== undefined) return { label: first.value, labelState: 'labelled' }
    return { label: null, labelState: knownToMs >= untilMs ? 'none' : 'immature' }
  }
}

/** Ms since the epoch, finer parts cut off; NaN: it is not a time. */
export function labelMs(time: unknown): number {
  const text = String(time)
  if (/^-?\d+(\.\d+)?$/.test(text)) return Math.floor(Number(text))
  return isoTimeMs(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text)
}

/** The text that an id is compared as: of a number that is not exact, the one in JSON. */
function idText(id: unknown, field: string, json: () => string): string | null {
  if (typeof id !== 'number') return typeof id === 'string' ? id : null
  if (Number.isSafeInteger(id)) return String(id)
  const texts = json().replace(SCALAR, (text) => (text.startsWith('"') ? text : `"${text}"`))
  const written = valueAt(JSON.parse(texts), field)
  return Number(written) === id ? String(written) : String(id)
}

/** `id=flightId`: the column of the labels, and the field of the event. */
export function labelFields(labelBy: string): { readonly id: string; readonly field: string } {
  const [id = '', field = id] = labelBy.split('=')
  return { id, field }
}
