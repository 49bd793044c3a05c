import { position } from '../../kernel/ids.ts'
import type { LogRecord, NewRecord, RecordParts, TopicPartition } from '../../records/port.ts'
import type { Definition } from '../../topology/definition.ts'
import {
  type Marks,
  marksOf,
  type Origin,
  type Origins,
  partsOf,
  type WrittenOutputs,
  type WrittenPlace,
} from './written-outputs.ts'

/** The most differences that are shown. */
const SHOWN = 10

/** `made`: only the replay has it · `written`: only the topic has it. */
type Kind = 'different' | 'missing' | 'twice' | 'additional' | 'not comparable'

export interface Difference {
  readonly kind: Kind
  readonly why: string
  readonly origin: Origin
  /** `null`: nothing is written. */
  readonly written: WrittenPlace | null
  /** `null`: the replay makes nothing. */
  readonly made: RecordParts | null
}

interface VerificationOptions {
  readonly definition: Pick<Definition, 'tables' | 'stores' | 'source'>
  readonly origins: Origins
  readonly written: WrittenOutputs
  /** Tables whose topics no longer have all records. */
  readonly incomplete: () => readonly string[]
  /** Does the replay leave out what was given up then (rule R9)? */
  readonly obeysVerdicts: boolean
}

/** What differs for a reason that concerns all of a run is shown once. */
const OF_A_RUN = /^another (model|topology|variant)/
const UNEXPLAINED = '?'
/** Codes of dead letters that depend on the moment, or on the worker's memory. */
const OF_THE_MOMENT = ['SCHEMA_UNKNOWN', 'STATE_LIMIT', 'SCORE_FAILED', 'OUTPUT_TIMESTAMP']

/** Compares what a replay makes with what is written. */
export class Verification {
  readonly #o: VerificationOptions
  readonly #shown: Difference[] = []
  readonly counts: Record<Kind | 'equal', number> = {
    equal: 0,
    different: 0,
    missing: 0,
    twice: 0,
    additional: 0,
    'not comparable': 0,
  }
  readonly #reasons = new Map<string, number>()
  /** By sink and partition, the first and the last start of a window that the replay has closed. */
  readonly #windows = new Map<string, [number, number]>()
  /** Keys of what differs without a known reason. */
  readonly #keys = new Set<string>()

  constructor(options: VerificationOptions) {
    this.#o = options
  }

  /** Called with each record of the topics that are compared, before the replay. */
  wrote(record: LogRecord, of: TopicPartition): void {
    const { origins, written } = this.#o
    const origin = origins.of(of.topic, record.headers)
    if (origin === null || !written.isInRange(origin)) return
    if (written.add(origin, record, of) !== null) return
    const { topic, partition } = of
    const place = { topic, partition, offset: record.offset }
    this.#add({
      kind: 'twice',
      why: 'its id is in the topic twice',
      origin,
      written: place,
      made: null,
    })
  }

  /** Called with each record that the replay makes. */
  made(record: NewRecord): void {
    const { origins, written } = this.#o
    const origin = origins.of(record.topic, record.headers)
    if (origin === null) return
    this.#noteWindow(origin)
    const number = written.find(origin)
    if (number === null) {
      this.#add({
        kind: 'missing',
        why: this.#whyMissing(origin),
        origin,
        written: null,
        made: record,
      })
    } else {
      const place = written.place(number)
      if (written.make(number, record)) this.counts.equal++
      else {
        const [kind, why] = this.#whyDifferent(
          written.marks(number),
          marksOf(record.headers),
          origin,
        )
        if (why === UNEXPLAINED && this.#keys.size < 2) this.#keys.add(String(record.key))
        this.#add({ kind, why, origin, written: place, made: record })
      }
    }
  }

  /** The replay is over. */
  end(): void {
    const { written, obeysVerdicts } = this.#o
    for (const { origin, number } of written.unmade()) {
      const { code } = written.marks(number)
      if (code === 'SCHEMA_UNKNOWN' && obeysVerdicts) this.counts.equal++
      else if (this.#isDue(origin)) {
        const why = this.#byClock(code) ?? 'the replay does not make it'
        const place = written.place(number)
        this.#add({ kind: 'additional', why, origin, written: place, made: null })
      }
    }
  }

  get isEqual(): boolean {
    const { equal, 'not comparable': incomparable, ...others } = this.counts
    return equal > 0 && Object.values(others).every((count) => count === 0)
  }

  /** The first differences. */
  get shown(): readonly Difference[] {
    return this.#shown.map((one) => ({ ...one, why: this.#inWords(one.why) }))
  }

  /** How many outputs there are for each reason. */
  get reasons(): readonly (readonly [why: string, count: number])[] {
    return [...this.#reasons].map(([why, count]) => [this.#inWords(why), count])
  }

  #add(difference: Difference): void {
    const { kind, why, made } = difference
    this.counts[kind]++
    const before = this.#reasons.get(why) ?? 0
    this.#reasons.set(why, before + 1)
    if (this.#shown.length >= SHOWN || (before > 0 && OF_A_RUN.test(why))) return
    this.#shown.push({ ...difference, made: made && copyOf(made) })
  }

  #whyDifferent(then: Marks, now: Marks, { of }: Origin): [Kind, string] {
    const { tables, stores, source } = this.#o.definition
    const isWindow = typeof of === 'string'
    if (then.isByClock || now.isByClock) return ['different', 'the clock decided']
    if (then.by !== now.by && then.model === now.model) {
      return ['different', `another topology: ${then.by}, now ${now.by}`]
    }
    if (then.model !== now.model) {
      const [name] = then.model.split('@')
      const what = now.model.startsWith(`${name}@`) ? 'model' : 'variant'
      return ['different', `another ${what}: ${then.model}, now ${now.model}`]
    }
    if (then.isWarming || now.isWarming) {
      const whose = then.isWarming ? 'windows were' : 'records are gone, and windows are'
      return ['not comparable', `${whose} not whole (tidemark-warming)`]
    }
    if (then.tables !== now.tables) {
      const kind = isWindow ? 'not comparable' : 'different'
      return [kind, `other rows: ${then.tables}, now ${now.tables}`]
    }
    if (source.watermark.idleAfterMs !== null && (isWindow || then.isLate !== now.isLate)) {
      return ['different', LATE_BY_CLOCK]
    }
    const [gone] = this.#o.incomplete()
    if (gone !== undefined) {
      return ['not comparable', `the topic of table "${gone}" no longer has all rows of then`]
    }
    if (tables.length === 0 && stores.length > 0) {
      return ['not comparable', 'rows of stores are as they are now']
    }
    return ['different', UNEXPLAINED]
  }

  #whyMissing(origin: Origin): string {
    const letter = this.#o.written.find({ ...origin, sink: null })
    if (origin.sink === null || letter === null) {
      return this.#o.definition.source.watermark.idleAfterMs === null
        ? 'the replay makes it, the topic does not have it'
        : 'the topic does not have it: it is missing, or was late by the clock (idleAfter)'
    }
    const { code } = this.#o.written.marks(letter)
    return this.#byClock(code) ?? `it is a dead letter ${code} there`
  }

  #byClock(code: string): string | null {
    if (OF_THE_MOMENT.includes(code)) return `${code} was decided by the moment`
    return code === 'LATE' && this.#o.definition.source.watermark.idleAfterMs !== null
      ? LATE_BY_CLOCK
      : null
  }

  #noteWindow({ sink, partition, of }: Origin): void {
    if (typeof of === 'number') return
    const start = startOf(of)
    const name = `${partition}/${sink}`
    const [first, last] = this.#windows.get(name) ?? [start, start]
    this.#windows.set(name, [Math.min(first, start), Math.max(last, start)])
  }

  /** Windows that closed before or after the range are in the topic, too. */
  #isDue({ sink, partition, of }: Origin): boolean {
    if (typeof of === 'number' || sink === null) return true
    const [first, last] = this.#windows.get(`${partition}/${sink}`) ?? [1, 0]
    return first <= startOf(of) && startOf(of) <= last
  }

  #inWords(why: string): string {
    if (why !== UNEXPLAINED) return why
    const tables = this.#o.definition.tables.map(({ name }) => name).join(', ')
    const record = 'its record, or an earlier one of its key, is not what it was'
    if (tables === '') return record
    if (this.#keys.size > 1) return `rows of a table (${tables}) are not what they were`
    return `${record}; or a row of a table (${tables}) is not`
  }
}

const LATE_BY_CLOCK = 'a late decision by the clock (idleAfter)'

function startOf(window: string): number {
  return Number(window.slice(window.lastIndexOf('/') + 1))
}

/** `payments-2@1041`, or with the key and the start of a window. */
export function originName(topic: string, { partition, of }: Origin): string {
  if (typeof of === 'number') return position(topic, partition, of)
  return `${topic}-${partition}, window ${of.replace(/#\d+$/, '')}`
}

/** Its buffers are reused. */
function copyOf(record: RecordParts): RecordParts {
  const copy = (bytes: Buffer | null) => bytes && Buffer.from(bytes)
  const { key, value, headers, timestampMs } = { ...partsOf(record) }
  const own = headers.map((header) => ({ ...header, value: copy(header.value) as Buffer }))
  return { key: copy(key), value: copy(value), headers: own, timestampMs }
}
