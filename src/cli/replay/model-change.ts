import type { RecordParts, TopicPartition } from '../../records/port.ts'
import { Agreement, type AgreementResult } from '../../scoring/agreement.ts'
import type { Origin, Origins, WrittenOutputs } from './written-outputs.ts'

// What another model would change: every number and every truth value of an output is compared
// with the one that was written.

const WORST = 20
/** From which score on an event is positive; a truth value counts as 0 or 1. */
const THRESHOLD = 0.5

interface ChangedEvent {
  readonly origin: Origin
  readonly key: string
  readonly before: number
  readonly after: number
}

/** How one number of a sink's outputs changes. */
export interface ChangedNumber {
  /** The sink, and the path in its values. */
  readonly name: string
  readonly result: AgreementResult
  /** The largest differences first. */
  readonly worst: readonly ChangedEvent[]
}

interface Column {
  /** By number of the output; NaN: it has none. */
  readonly written: number[]
  readonly agreement: Agreement
  readonly worst: ChangedEvent[]
  hasChanged: boolean
}

export class ModelChange {
  readonly #origins: Origins
  readonly #written: WrittenOutputs
  readonly #columns = new Map<string, Column>()
  /** Outputs that are compared, and those of one side only. */
  readonly counts = { outputs: 0, onlyNow: 0, onlyThen: 0 }

  constructor(origins: Origins, written: WrittenOutputs) {
    this.#origins = origins
    this.#written = written
  }

  /** Called with each record of the topics, before the replay. @param json its value */
  wrote(record: Parameters<WrittenOutputs['add']>[1], of: TopicPartition, json: unknown): void {
    const origin = this.#origins.of(of.topic, record.headers)
    if (origin === null || !this.#written.isInRange(origin)) return
    const number = this.#written.add(origin, record, of)
    if (number === null) return
    for (const [path, value] of numbersOf(json, origin.sink ?? '')) {
      const { written } = this.#columnOf(path)
      while (written.length < number) written.push(Number.NaN)
      written.push(value)
    }
  }

  /** Called with each record that the replay makes. */
  made(topic: string, record: RecordParts, json: unknown): void {
    const origin = this.#origins.of(topic, record.headers)
    if (origin === null || origin.sink === null) return
    const number = this.#written.find(origin)
    if (number === null) {
      this.counts.onlyNow++
      return
    }
    this.#written.make(number, record)
    this.counts.outputs++
    for (const [path, after] of numbersOf(json, origin.sink)) {
      const column = this.#columnOf(path)
      const before = column.written[number] ?? Number.NaN
      column.agreement.add([before], [after], 1)
      if (before === after || Number.isNaN(before)) continue
      column.hasChanged = true
      keepWorst(column.worst, { origin, key: String(record.key), before, after })
    }
  }

  end(): void {
    for (const { origin } of this.#written.unmade()) {
      if (origin.sink !== null && typeof origin.of === 'number') this.counts.onlyThen++
    }
  }

  get changed(): ChangedNumber[] {
    return [...this.#columns]
      .filter(([, { hasChanged }]) => hasChanged)
      .map(([name, { agreement, worst }]) => ({ name, result: agreement.result, worst }))
  }

  #columnOf(path: string): Column {
    const known = this.#columns.get(path)
    if (known !== undefined) return known
    const agreement = new Agreement(THRESHOLD)
    const column: Column = { written: [], agreement, worst: [], hasChanged: false }
    this.#columns.set(path, column)
    return column
  }
}

/** Yields the numbers and truth values in JSON, by path. */
function* numbersOf(json: unknown, path: string): Generator<[string, number]> {
  if (typeof json === 'number' || typeof json === 'boolean') yield [path, Number(json)]
  if (typeof json !== 'object' || json === null) return
  for (const [name, value] of Object.entries(json)) yield* numbersOf(value, `${path}.${name}`)
}

function keepWorst(worst: ChangedEvent[], event: ChangedEvent): void {
  const size = ({ before, after }: ChangedEvent) => Math.abs(after - before)
  const at = worst.findIndex((other) => size(other) < size(event))
  if (at < 0 && worst.length >= WORST) return
  worst.splice(at < 0 ? worst.length : at, 0, event)
  worst.length = Math.min(worst.length, WORST)
}
