import { isDeepStrictEqual } from 'node:util'
import { partitionOf } from '../../connect/memory/log.ts'
import type { NewRecord, RecordParts } from '../../connect/port.ts'
import { type OutputCause, position } from '../../kernel/ids.ts'
import { bytesAsJson, jsonOrNull } from '../../kernel/json.ts'
import { grouped, shortened, table } from '../../kernel/wording.ts'
import { CODE_HEADER } from '../../runtime/output/dead-letter.ts'
import * as provenance from '../../runtime/output/provenance.ts'
import type { TablePositions } from './table-positions.ts'
import {
  causeName,
  comparedParts,
  digestOf,
  isDeadLetter,
  letterCause,
  marksOf,
  type Written,
  type WrittenMarks,
  type WrittenOutputs,
} from './written-outputs.ts'

const { BY_CLOCK_HEADER, BY_HEADER, LATE_HEADER, MODEL_HEADER } = provenance
const { TABLES_HEADER, WARMING_HEADER } = provenance

const MOST_SHOWN = 10
const MOST_FIELDS = 6
const MOST_CHARACTERS = 60

/** `missing`: only the replay makes it · `additional`: only the topic has it. */
type Kind =
  | ('different' | 'missing' | 'twice' | 'additional' | 'not comparable')
  | ('in another partition' | 'with another timestamp')

interface Difference {
  readonly kind: Kind
  readonly why: string
  readonly cause: OutputCause
  readonly written: Written | null
  readonly made: View | null
}

/** Reasons that concern a whole run are shown once. */
const RUN_REASON = /^another /
const UNEXPLAINED = '?'
const LATE_BY_CLOCK = 'a late decision by the clock (idleAfter)'
/** Dead letters that depend on the moment, or on the worker's memory. */
const MOMENT_CODES = ['SCHEMA_UNKNOWN', 'STATE_LIMIT', 'SCORE_FAILED', 'OUTPUT_TIMESTAMP']

/** Compares the outputs that a replay makes with the written ones, to the bit. */
export class Verification {
  readonly #outputs: WrittenOutputs
  readonly #positions: Pick<TablePositions, 'incomplete'>
  readonly #isIdle: boolean
  readonly #shown: Difference[] = []
  readonly #reasons = new Map<string, number>()
  /** Dead letters in whose place the replay makes an output. */
  readonly #letters = new Set<Written>()
  /** Keys of outputs that differ without a known reason. */
  readonly #keys = new Set<string>()
  /** By sink and partition, the first and the last start of a window that the replay has closed. */
  readonly #windows = new Map<string, readonly [number, number]>()
  readonly counts: Record<Kind | 'equal', number> = {
    ...{ equal: 0, different: 0, missing: 0, twice: 0, additional: 0 },
    ...{ 'in another partition': 0, 'with another timestamp': 0, 'not comparable': 0 },
  }

  constructor(outputs: WrittenOutputs, positions: Pick<TablePositions, 'incomplete'>) {
    this.#outputs = outputs
    this.#positions = positions
    this.#isIdle = outputs.definition.source.watermark.idleAfterMs !== null
  }

  wrote(cause: OutputCause, written: Written): void {
    if (written.isAgain)
      this.#add({ kind: 'twice', why: 'the topic has its id twice', cause, written, made: null })
  }

  made(cause: OutputCause, made: NewRecord, written: Written | null): void {
    if (typeof cause.of === 'string') this.#closed(cause, startOf(cause.of))
    if (written === null) {
      this.#add({ kind: 'missing', why: this.#whyMissing(cause), cause, written, made: null })
    } else if (written.digest === digestOf(made)) {
      const displaced = this.#displacement(cause, made, written)
      if (displaced) this.#add({ ...displaced, cause, written, made: null })
      else this.counts.equal++
    } else {
      const [kind, why] = this.#whyDifferent(cause, written.marks, marksOf(made))
      if (why === UNEXPLAINED && this.#keys.size < 2) this.#keys.add(String(made.key))
      this.#add({ kind, why, cause, written, made: viewOf(made) })
    }
  }

  end(): void {
    for (const [cause, written] of this.#outputs.all()) {
      const { marks, isMade } = written
      if (isMade || !this.#isDue(cause)) continue
      if (marks[CODE_HEADER] === 'SCHEMA_UNKNOWN' && !this.#letters.has(written)) {
        // It is left out, as it was given up then.
        this.counts.equal++
        continue
      }
      const why = this.#byClock(marks) ?? 'the replay does not make it'
      this.#add({ kind: 'additional', why, cause, written, made: null })
    }
  }

  get isEqual(): boolean {
    const { equal, 'not comparable': _, ...others } = this.counts
    return equal > 0 && Object.values(others).every((count) => count === 0)
  }

  /** @param read reads a record that is written once more */
  async describe(
    read: (topic: string, written: Written) => Promise<RecordParts | null>,
  ): Promise<string> {
    const shown = this.#shown.map(async (difference) => {
      const { kind, why, cause, written, made } = difference
      const topic = this.#outputs.topicOf(cause)
      const place = written && `, ${position(topic, written.partition, written.offset)}`
      const record = written && made ? await read(topic, written) : null
      const fields = record && made ? fieldsOf(viewOf(record), made) : []
      const title = `${kind}: ${causeName(cause)}${place ?? ''}`
      return [title, `  ${this.#inWords(why)}`, ...fields, '']
    })
    const all = Object.values(this.counts).reduce((sum, count) => sum + count, 0)
    const each = Object.entries(this.counts).map(([kind, count]) => `${grouped(count)} ${kind}`)
    return [
      ...(await Promise.all(shown)).flat(),
      ...this.#outputs.foreign(),
      ...table([...this.#reasons].map(([why, count]) => [this.#inWords(why), grouped(count)])),
      `${grouped(all)} compared: ${each.join(', ')}\n`,
    ].join('\n')
  }

  #add(difference: Difference): void {
    const { kind, why } = difference
    this.counts[kind]++
    const before = this.#reasons.get(why) ?? 0
    this.#reasons.set(why, before + 1)
    if (this.#shown.length >= MOST_SHOWN || (before > 0 && RUN_REASON.test(why))) return
    this.#shown.push(difference)
  }

  #whyDifferent(
    { of: origin }: OutputCause,
    then: WrittenMarks,
    now: WrittenMarks,
  ): readonly [Kind, string] {
    const { tables, stores } = this.#outputs.definition
    const change = (name: string) => `${then[name] ?? 'none'}, now ${now[name] ?? 'none'}`
    const has = (name: string) => then[name] !== undefined || now[name] !== undefined
    const differs = (name: string) => then[name] !== now[name]
    const isWindow = typeof origin === 'string'
    const nameOf = (model?: string) => model?.split('@')[0]
    if (has(BY_CLOCK_HEADER.name)) return ['different', 'the clock decided']
    if (differs(MODEL_HEADER)) {
      const isModel = nameOf(then[MODEL_HEADER]) === nameOf(now[MODEL_HEADER])
      return ['different', `another ${isModel ? 'model' : 'variant'}: ${change(MODEL_HEADER)}`]
    }
    if (differs(BY_HEADER)) return ['different', `another topology: ${change(BY_HEADER)}`]
    if (has(WARMING_HEADER)) return ['not comparable', 'windows were, or are now, not whole']
    if (differs(TABLES_HEADER)) {
      return [isWindow ? 'not comparable' : 'different', `another table: ${change(TABLES_HEADER)}`]
    }
    if (this.#isIdle && (isWindow || differs(LATE_HEADER.name))) return ['different', LATE_BY_CLOCK]
    const [gone] = this.#positions.incomplete
    if (gone !== undefined) return ['not comparable', `table ${gone}: its topic has lost records`]
    const isStored = tables.length === 0 && stores.length > 0
    return isStored
      ? ['not comparable', 'rows of stores are those of now']
      : ['different', UNEXPLAINED]
  }

  #displacement({ of: origin }: OutputCause, made: NewRecord, written: Written) {
    const topic = this.#outputs.descriptions.get(made.topic)
    if (topic === undefined) return null
    if (partitionOf(made, topic.partitions) !== written.partition) {
      return { kind: 'in another partition', why: 'its key has another partition now' } as const
    }
    // A window that the clock has closed has the time of then.
    const isOfRecord = typeof origin === 'number' || !this.#isIdle
    const isComparable = isOfRecord && topic.timestampType !== 'LogAppendTime'
    if (!isComparable || made.timestampMs === written.timestampMs) return null
    return { kind: 'with another timestamp', why: 'its record has another timestamp' } as const
  }

  #whyMissing(cause: OutputCause): string {
    const letter = isDeadLetter(cause) ? null : this.#outputs.find(letterCause(cause))
    if (letter !== null) {
      const { marks } = letter
      this.#letters.add(letter)
      return this.#byClock(marks) ?? `it was a dead letter, ${marks[CODE_HEADER]}`
    }
    return this.#isIdle ? `missing, or ${LATE_BY_CLOCK}` : 'the topic does not have it'
  }

  #byClock({ [CODE_HEADER]: code = '' }: WrittenMarks): string | null {
    if (code === 'LATE' && this.#isIdle) return LATE_BY_CLOCK
    return MOMENT_CODES.includes(code) ? `${code} was a matter of the moment` : null
  }

  #closed({ sink, partition }: OutputCause, startMs: number): void {
    const [first, last] = this.#windows.get(`${sink}/${partition}`) ?? [startMs, startMs]
    const both = [Math.min(first, startMs), Math.max(last, startMs)] as const
    this.#windows.set(`${sink}/${partition}`, both)
  }

  /** The topic also has windows that closed before or after the range. */
  #isDue(cause: OutputCause): boolean {
    const { sink, partition, of: origin } = cause
    if (typeof origin === 'number' || isDeadLetter(cause)) return true
    const [first, last] = this.#windows.get(`${sink}/${partition}`) ?? [1, 0]
    return first <= startOf(origin) && startOf(origin) <= last
  }

  #inWords(why: string): string {
    if (why !== UNEXPLAINED) return why
    // Dead letters do not say which topology and model made them.
    const runReason = [...this.#reasons.keys()].find((reason) => RUN_REASON.test(reason))
    if (runReason !== undefined) return `as outputs say, ${runReason}`
    const names = this.#outputs.definition.tables.map(({ name }) => name).join(', ')
    const record = 'its record, or an earlier one of its key, is not what it was'
    const row = `a row of a table (${names}) is not what it was`
    if (names !== '' && this.#keys.size > 1) return `${row}: outputs of several keys differ`
    const isOne = names !== '' && this.#reasons.get(UNEXPLAINED) === 1
    return isOne ? `${record}; or ${row}` : record
  }
}

function startOf(window: string): number {
  return Number(window.slice(window.lastIndexOf('/') + 1))
}

type View = ReturnType<typeof viewOf>
type Field = readonly [name: string, then: string, now: string]

function fieldsOf(then: View, now: View): string[] {
  const fields = differing('', then, now)
  const more = fields.length - MOST_FIELDS
  const lines = fields.slice(0, MOST_FIELDS).map(([name, was, is]) => `  ${name}: ${was} → ${is}`)
  return more > 0 ? [...lines, `  and ${more} more`] : lines
}

/** The compared parts of a record, as JSON. */
function viewOf(record: RecordParts) {
  const { key, value, headers } = comparedParts(record)
  const header = Object.fromEntries(headers.map((entry) => [entry.name, bytesAsJson(entry.value)]))
  return { key: bytesAsJson(key), value: jsonOf(value), header }
}

/** Parsed, unless another text has the same JSON. */
function jsonOf(bytes: Buffer | null): unknown {
  const json = jsonOrNull(String(bytes))
  return JSON.stringify(json) === String(bytes) ? json : bytesAsJson(bytes)
}

function differing(name: string, then: unknown, now: unknown): Field[] {
  if (isDeepStrictEqual(then, now)) return []
  if (!isObject(then) || !isObject(now)) return [[name.slice(1), textOf(then), textOf(now)]]
  const parts = [...new Set([...Object.keys(then), ...Object.keys(now)])]
  return parts.flatMap((part) => differing(`${name}.${part}`, then[part], now[part]))
}

function textOf(value: unknown): string {
  return shortened(JSON.stringify(value) ?? '', MOST_CHARACTERS)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
