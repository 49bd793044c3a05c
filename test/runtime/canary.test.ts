import { inspect } from 'node:util'
import pc from 'picocolors'
import { defineTopology, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import { messageOf, type TidemarkError } from '../../src/kernel/errors.ts'
import { createLog } from '../../src/observe/log.ts'
import { observeAll } from '../../src/observe/observer.ts'
import { outputTopics } from '../../src/topology/graph.ts'
import { observedLog, observedMetrics } from '../observe/observed.ts'
import { headerOf } from '../support/headers.ts'
import { startWorker } from '../support/in-process.ts'
import { prepared, START_MS, scorer, Watch } from './support.ts'

// A text and a number that stand in every key, value and header, and in whatever an author's
// function throws.

const CANARY = 'canary-x7f3'
const NUMBER = 4_417_123_412_341_234

const Event = z.looseObject({
  key: z.string(),
  at: z.number(),
  mode: z.string().refine((mode) => !trips(mode, 'schema')),
})
type Event = z.infer<typeof Event>

/** Throws, as an author's function may, with what it has in hand. */
function trips(mode: string, place: string): boolean {
  if (mode === place) throw new Error(`cannot take ${CANARY} ${NUMBER}`)
  return false
}
/** The answer of an author's function, or in some modes something else than it should be. */
const given = <R>(at: { e: Event; place: string }, answer: R, odd: unknown): R => {
  trips(at.e.mode, at.place)
  return at.e.mode === `${at.place} odd` ? (odd as R) : answer
}

const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '',
  input: 'x',
  features: ['value', 'shops'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

const leaky = defineTopology('leaky', (t) =>
  t
    .source('events', {
      schema: Event,
      key: (e) => given({ e, place: 'key' }, e.key, NUMBER),
      eventTimeMs: (e) => given({ e, place: 'time' }, e.at, CANARY),
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .where((e) => given({ e, place: 'where' }, true, false))
    .features((f) => {
      const events = f.events({ shop: (e) => given({ e, place: 'column' }, CANARY, NUMBER) })
      return {
        value: events.value((e) => given({ e, place: 'value' }, 1, CANARY)),
        shops: events.rolling(minutes(1)).distinct('shop'),
      }
    })
    .score(model)
    .map((s) => given({ e: s.event, place: 'map' }, s.event, { ...s.event, n: BigInt(NUMBER) }))
    .sink('out', { key: (o) => given({ e: o, place: 'sink' }, o.key, '') }),
)

const PLACES = 'schema key time where column value map sink'.split(' ')
const modes = ['good', ...PLACES, ...PLACES.map((place) => `${place} odd`)]

function values(): string[] {
  const whole = modes.map((mode, i) => {
    const at = START_MS + i
    return JSON.stringify({ key: CANARY, at, mode, [CANARY]: CANARY, n: NUMBER })
  })
  const broken = [
    `{"key":"${CANARY}`,
    `"${CANARY}"`,
    `${NUMBER}`,
    `{"key":${NUMBER},"at":"${CANARY}","mode":["${CANARY}"]}`,
    `{"__proto__":"${CANARY}"}`,
    JSON.stringify({ key: CANARY, at: START_MS - 60_000, mode: 'late' }),
    JSON.stringify({ key: CANARY, at: START_MS + 600_000, mode: 'future' }),
  ]
  return [...whole, ...broken]
}

test('no log line, metric, event or reason holds a text or number of a payload, a key, a header or a thrown error', async () => {
  const records = new MemoryRecords()
  for (const name of ['events', ...outputTopics(leaky)])
    records.createTopic(name, { partitions: 1 })
  const inputs = values().map((value) => ({
    topic: 'events',
    partition: 0,
    key: Buffer.from(CANARY),
    value: Buffer.from(value),
    timestampMs: START_MS,
    headers: [{ name: CANARY, value: Buffer.from(CANARY) }],
  }))
  records.produce(inputs)
  const lines: string[] = []
  const log = createLog({
    format: 'json',
    colors: pc.createColors(false),
    stream: { write: (line) => void lines.push(line) },
  })
  const { metrics, observe } = observedMetrics([])
  const watch = new Watch()
  const observer = observeAll(
    watch.observer,
    observedLog(log, { clock: wallClock, statusEveryMs: 1 }),
    observe,
  )
  const errors: TidemarkError[] = []
  const worker = startWorker({
    prepared: prepared(scorer(), leaky),
    records,
    group: 'g',
    observer,
    onDeadLetter: ({ error }) => errors.push(error),
  })
  await Promise.race([records.settled('g', 'events'), worker.done])
  await worker.stop()

  const letters = records.read('events.dlq')
  const reasons = letters.flatMap((l) => l.headers.filter((h) => h.name !== CANARY))
  const reasonTexts = reasons.map((h) => h.value.toString())
  const events = inspect(watch.events, { depth: null, maxArrayLength: null, maxStringLength: null })
  const told = [...lines, events, await metrics.text(), ...reasonTexts]
  const text = told.join('\n')
  expect(text).not.toContain(CANARY)
  expect(text).not.toContain(String(NUMBER))

  // Every way to fail was taken, told and logged, so there was text to look through.
  const codes = new Set(letters.map((l) => headerOf(l, 'tidemark.code')))
  expect([...codes].toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
    'COLUMN_INVALID',
    'FUNCTION_THREW',
    'FUTURE',
    'JSON_INVALID',
    'JSON_PROTO',
    'KEY_INVALID',
    'LATE',
    'OUTPUT_INVALID',
    'SCHEMA_INVALID',
    'TIME_INVALID',
  ])
  expect(watch.of('dead-letter')).toHaveLength(letters.length)
  expect(errors).toHaveLength(letters.length)
  // The errors that were thrown still reach `onDeadLetter`.
  const causes = errors.filter(({ code }) => code === 'FUNCTION_THREW').map(({ cause }) => cause)
  expect(causes.map(messageOf)).toEqual(PLACES.map(() => `cannot take ${CANARY} ${NUMBER}`))
  expect(lines.filter((l) => l.includes('"dead letter"'))).not.toHaveLength(0)
  await records.close()
})
