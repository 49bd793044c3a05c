import { ABSENT, NULL, PRESENT, ScannedColumns } from '../../../src/columns/columns.ts'
import { type Bound, boundOf } from '../../../src/formats/json/bound.ts'
import { Scanner } from '../../../src/formats/json/scanner.ts'
import { Walker } from '../../../src/formats/json/walker.ts'
import { plainOf } from '../../../src/formats/json/zod-schema.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import type { Kind, Random } from './records.ts'
import { jsonEvent, source } from './source.ts'

const KEY = Buffer.from('k')
const ROWS = 8
/** Bytes that may stand behind a record in a fetched batch. */
const BEHIND = Buffer.from('9}"e5,":0é\\ {"paymentId":"p-1"}')

export interface Answers {
  readonly isScanned: boolean
  /** How the two ways differ; `null`: they agree. */
  readonly difference: string | null
}

/** A schema's records by the scanner, by the walker alone, and by the parser with the schema. */
export class BothWays {
  readonly #kind: Kind
  readonly #scanner: Scanner
  readonly #walker: Walker
  readonly #scanned: ScannedColumns
  readonly #walked: ScannedColumns

  constructor(kind: Kind) {
    this.#kind = kind
    const bound = boundIn(kind)
    this.#scanner = new Scanner(bound)
    this.#walker = new Walker(bound)
    this.#scanned = new ScannedColumns(bound.columns, ROWS)
    this.#walked = new ScannedColumns(bound.columns, ROWS)
  }

  /** Compares the ways on a record at some place in a buffer. */
  answers(record: Buffer, random: Random): Answers {
    const before = Math.floor(random() * 5)
    const behind = random() < 0.05 ? Buffer.alloc(0) : BEHIND.subarray(Math.floor(random() * 20))
    const bytes = Buffer.concat([Buffer.alloc(before, '"'), record, behind])
    const [from, to, row] = [before, before + record.length, Math.floor(random() * ROWS)]
    const memory = new Memory(bytes.buffer)
    const place = { memory, from: bytes.byteOffset + from, to: bytes.byteOffset + to }
    const isScanned = this.#scanner.scan(place, this.#scanned, row)
    const isWalked = this.#walker.walk(place, this.#walked, row)
    const of = (columns: ScannedColumns) => this.#cells(columns, { memory, row })
    if (isScanned !== isWalked) {
      return { isScanned, difference: `scanned: ${isScanned}, walked: ${isWalked}` }
    }
    if (!isScanned) return { isScanned, difference: null }
    const all = [of(this.#scanned), of(this.#walked)]
    return { isScanned, difference: this.#differenceOf(all, this.event(record)) }
  }

  #differenceOf(all: readonly (readonly unknown[])[], event: unknown): string | null {
    if (event === null) return 'it is no event'
    const wanted = this.#wantedOf(event)
    const wrong = all.find((cells) => cells.some((cell, c) => !Object.is(cell, wanted[c])))
    return wrong === undefined ? null : `${wrong.join(' ')} is ${wanted.join(' ')}`
  }

  /** By the parser with the schema; `null`: it is none. */
  event(value: Buffer): object | null {
    try {
      return jsonEvent(source(this.#kind.schema), { key: KEY, value }) as object
    } catch (thrown) {
      if (thrown instanceof TidemarkError) return null
      throw thrown
    }
  }

  #wantedOf(event: unknown): readonly unknown[] {
    const within = (value: unknown, name: string) =>
      (value as Record<string, unknown> | null | undefined)?.[name]
    return this.#kind.wanted.map((path) => path.reduce<unknown>(within, event))
  }

  /** The row's values as the event would have them; a token that is not their JSON is told. */
  #cells(
    { forms, capacity, states, numbers, starts, ends }: ScannedColumns,
    at: { memory: Memory; row: number },
  ): readonly unknown[] {
    return forms.map(({ type }, c) => {
      const cell = c * capacity + at.row
      const state = states[cell]
      if (state === ABSENT) return undefined
      const token = at.memory.text(starts[cell] as number, ends[cell] as number)
      if (state === NULL) return token === 'null' ? null : `null for ${token}`
      if (state !== PRESENT) return `state ${state}`
      if (type === 'text') return JSON.stringify(token) === `"${token}"` ? token : `text ${token}`
      const number = numbers[cell] as number
      const value = type === 'boolean' ? number === 1 : number
      return Object.is(JSON.parse(token), value) ? value : `${value} for ${token}`
    })
  }
}

export function boundIn({ schema, wanted }: Pick<Kind, 'schema' | 'wanted'>): Bound {
  const plain = plainOf(schema)
  if (plain.kind !== 'object' && plain.kind !== 'union') throw new Error(`it is ${plain.kind}`)
  return boundOf(plain, wanted)
}
