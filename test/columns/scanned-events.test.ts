import { isDeepStrictEqual } from 'node:util'
import { runInThisContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ScannedEvents } from '../../src/columns/scanned-events.ts'
import { ListedRecords } from '../../src/connect/log-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import type { RecordFormat } from '../../src/formats/record-decoding.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { mulberry32 } from '../bench/payments.ts'
import { KINDS, type Kind, mutated, produced, type Random } from '../formats/json/records.ts'
import { jsonEvent, source } from '../formats/json/source.ts'
import { jsonFormatOf } from '../support/format.ts'

const KEY = Buffer.from('k')
const CAPACITY = 40
const CHUNKS = 12

type Of = (event: unknown) => unknown
type Record = ReturnType<typeof record>

/** A field that is a text in some events, an object in others, and not in the rest. */
const Turn = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('said'), at: z.int(), by: z.string() }),
  z.object({ kind: z.literal('done'), at: z.int(), by: z.object({ name: z.string() }) }),
  z.object({ kind: z.literal('over'), at: z.int() }),
])
const TURNS: Kind = {
  name: 'a turn of three sorts',
  share: 1,
  schema: Turn,
  wanted: [['kind'], ['at'], ['by'], ['by', 'name']],
  record: (random) => {
    const at = Math.floor(random() * 1e6)
    const draw = random()
    if (draw < 0.3) return { kind: 'said', at, by: 'Zürich' }
    return draw < 0.6 ? { kind: 'done', at, by: { name: 'é' } } : { kind: 'over', at }
  },
}

/** Texts of functions of a field, as authors may write them. */
function writtenOf(path: readonly string[]): string[] {
  const field = ['e', ...path].join('.')
  const [first, ...rest] = path
  return [
    `(e) => ${field}`,
    `({ ${first} }) => ${[first, ...rest].join('.')}`,
    ...["'landed'", "'Zürich'", "''", '0', '2', '3.5', 'true', 'false', 'null'].flatMap((to) => [
      `(e) => ${field} === ${to}`,
      `(e) => ${to} !== ${field}`,
    ]),
    `(e) => ({ a: ${field}, b: 1 })`,
    `(e) => ${field} ?? 0`,
    `(e) => ${field} * 2 + 1`,
    `(e) => \`\${${field}}/\``,
    `(e) => ${field}.length`,
  ]
}

function functionsOf({ wanted }: Kind): Of[] {
  const ends = wanted.flatMap((path) => path.map((_, depth) => path.slice(0, depth + 1)))
  const paths = [...new Map(ends.map((path) => [path.join('.'), path])).values(), ['nothing']]
  const texts = ["() => 'all'", '(e) => e', '(e) => e === null', ...paths.flatMap(writtenOf)]
  return texts.map((text) => runInThisContext(`(${text})`) as Of)
}

/** A topology that hands its events to all of these. */
function formatOf({ schema }: Kind, functions: readonly Of[]): RecordFormat {
  const then = functions.map((to, i) => ({ op: 'map', name: `map-${i}`, to, then: [] }))
  return jsonFormatOf({ source: source(schema), then } as unknown as Definition)
}

/** A value as it lies in a fetched batch, with others' bytes around it. */
function record(value: Buffer) {
  const around = Buffer.concat([Buffer.from('{"at":1'), value, Buffer.from('"},":0é{"at":77}')])
  return { key: KEY, value: around.subarray(7, 7 + value.length) }
}

function inLog({ key, value }: Record): LogRecord {
  return { offset: 0, timestampMs: 0, key, value, headers: [] }
}

/** A chunk's events by both ways. */
class Chunk {
  readonly events: ScannedEvents
  /** By the parser and the schema. */
  readonly wanted: unknown[] = []
  /** How often the record of each was asked for. */
  readonly asked = new Map<number, number>()
  readonly #format: RecordFormat
  readonly #kind: Kind
  readonly #records: Record[] = []

  constructor(kind: Kind, format: RecordFormat) {
    this.#format = format
    this.#kind = kind
    this.events = format.events(CAPACITY, (index) => {
      this.asked.set(index, (this.asked.get(index) ?? 0) + 1)
      return inLog(this.#records[index] as Record)
    })
  }

  get isFull(): boolean {
    return this.events.count === CAPACITY
  }

  /** @returns are both of one mind about it? */
  add(value: Buffer): boolean {
    const added = record(value)
    const wanted = answer(() => jsonEvent(source(this.#kind.schema), added))
    const records = new ListedRecords([inLog(added)])
    const chunk = { from: { topic: 'payments', partition: 0 }, records }
    const given = answer(() => this.#format.add({ ...chunk, events: this.events }, 0))
    if ('gives' in wanted && 'gives' in given) {
      this.wanted.push(wanted.gives)
      this.#records.push(added)
      return true
    }
    return isDeepStrictEqual(wanted, given)
  }
}

type Answer = { readonly gives: unknown } | { readonly throws: string }

function answer(of: () => unknown): Answer {
  try {
    return { gives: of() }
  } catch (thrown) {
    if (thrown instanceof TidemarkError) return { throws: thrown.code }
    if (thrown instanceof TypeError) return { throws: 'TypeError' }
    throw thrown
  }
}

/** Well made ones, and such as are no event or are read by the parser alone. */
function valueOf(kind: Kind, random: Random): Buffer {
  const value = produced(kind, random)
  const draw = random()
  if (draw < 0.2) return mutated(value, random)
  if (draw < 0.3) return Buffer.from(String(value).replace('a', '\\u0061'))
  if (draw < 0.4) return Buffer.from(String(value).replace(/^\{("[^"]+")/, '{$1:null,$1'))
  return value
}

function filled(kind: Kind, format: RecordFormat, random: Random): Chunk {
  const chunk = new Chunk(kind, format)
  while (!chunk.isFull) {
    const value = valueOf(kind, random)
    if (!chunk.add(value)) throw new Error(`it is taken one way: ${String(value)}`)
    // Some are asked for while others still come.
    if (random() < 0.1 && chunk.wanted.length > 0) chunk.events.at(chunk.wanted.length - 1)
  }
  return chunk
}

describe.each([...KINDS, TURNS])('of $name', (kind) => {
  const functions = functionsOf(kind)
  const format = formatOf(kind, functions)

  test('a function is answered as if it were called with the event', () => {
    const random = mulberry32(17)
    const reads = functions.map((of) => format.reader(of))
    /** The first of each function. */
    const different = new Map<Of, string>()
    let scanned = 0
    for (let n = 0; n < CHUNKS; n++) {
      const { events, wanted } = filled(kind, format, random)
      for (const [i, event] of wanted.entries()) {
        if (events.memoryOf(i) !== null) scanned++
        for (const [f, of] of functions.entries()) {
          const given = answer(() => reads[f]?.of(events, i))
          const called = answer(() => of(event))
          if (isDeepStrictEqual(given, called) || different.has(of)) continue
          different.set(of, `${String(of)}: ${JSON.stringify([given, called, event])}`)
        }
      }
    }
    expect([...different.values()]).toEqual([])
    // Both ways are there, in the same chunks.
    expect(scanned).toBeGreaterThan((CHUNKS * CAPACITY) / 3)
    expect(scanned).toBeLessThan(CHUNKS * CAPACITY)
  })

  test('an event is what the parser and the schema make of its record, made once', () => {
    const random = mulberry32(18)
    for (let n = 0; n < CHUNKS; n++) {
      const { events, wanted, asked } = filled(kind, format, random)
      const all = wanted.map((_, i) => events.at(i))
      expect(isDeepStrictEqual(all, wanted)).toBe(true)
      expect(all.every((event, i) => events.at(i) === event)).toBe(true)
      const scanned = wanted.flatMap((_, i) => (events.memoryOf(i) === null ? [] : [[i, 1]]))
      expect([...asked].toSorted(([a], [b]) => a - b)).toEqual(scanned)
    }
  })

  test('no event is made to pick fields of it that it cannot lack', () => {
    const picks = format.forms
      .filter((form) => !form.isWithinOptional)
      .filter((form) => !(form.isOptional && form.path.length > 1))
      .map(({ path }) => runInThisContext(`((e) => e.${path.join('.')})`) as Of)
    const reads = picks.map((of) => format.reader(of))
    const chunk = new Chunk(kind, format)
    const random = mulberry32(19)
    while (!chunk.isFull) chunk.add(produced(kind, random))
    for (const [i] of chunk.wanted.entries()) {
      if (chunk.events.memoryOf(i) !== null) for (const read of reads) read.of(chunk.events, i)
    }
    expect(picks).not.toEqual([])
    expect([...chunk.asked]).toEqual([])
  })
})
