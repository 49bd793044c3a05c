import { defineTopology, file, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { wantedFields } from '../../src/engine/author-functions.ts'
import type { SinkOrSinks, Stream } from '../../src/topology/stream.ts'

const Event = z.object({
  id: z.string(),
  at: z.number(),
  kind: z.string(),
  n: z.number(),
  tip: z.number().optional(),
  card: z.object({ country: z.string(), bank: z.string() }),
})
type Event = z.infer<typeof Event>

const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '',
  input: 'x',
  features: ['n'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

/** The fields wanted by a topology with these steps, as `a.b`. */
function wanted(steps: (events: Stream<Event>) => SinkOrSinks, key = (e: Event) => e.id): string[] {
  const definition = defineTopology('t', (t) =>
    steps(
      t.source('events', {
        schema: Event,
        key,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1) },
        onLate: 'drop',
      }),
    ),
  )
  return wantedFields(definition).map((path) => path.join('.'))
}

const KEY_AND_TIME = ['id', 'at']

test('key and time are wanted of every event', () => {
  expect(wanted((e) => e.sink('a'))).toEqual(KEY_AND_TIME)
  expect(
    wanted(
      (e) => e.sink('a'),
      (e) => e.card.bank,
    ),
  ).toEqual(['card.bank', 'at'])
})

test('what a function is called for is not', () => {
  expect(
    wanted(
      (e) => e.sink('a'),
      (e) => e.id.trim(),
    ),
  ).toEqual(['at'])
  expect(
    wanted((e) =>
      e
        .where((of) => of.n > 1)
        .map((of) => of.n * 2)
        .sink('a'),
    ),
  ).toEqual(KEY_AND_TIME)
})

test('nor is an event as a whole', () => {
  expect(wanted((e) => e.map((of) => ({ of, n: of.n })).sink('a'))).toEqual([...KEY_AND_TIME, 'n'])
})

test('each field is wanted once', () => {
  const fields = (e: Event) => ({ id: e.id, kind: e.kind, isTest: e.kind === 'test' })
  expect(
    wanted((e) =>
      e
        .where((of) => of.kind !== 'b')
        .map(fields)
        .sink('a'),
    ),
  ).toEqual([...KEY_AND_TIME, 'kind'])
})

test('conditions, branches and maps before a model are given the event', () => {
  const steps = (e: Stream<Event>) => {
    const { one, rest } = e.branch({ one: (of) => of.kind === 'one' })
    return [
      one.map((of) => ({ bank: of.card.bank, inner: { n: of.n } })).sink('a'),
      rest.where((of) => of.card.country === 'CH').sink('b'),
    ]
  }
  expect(wanted(steps)).toEqual([...KEY_AND_TIME, 'kind', 'card.bank', 'n', 'card.country'])
})

test('what follows a map is given something else', () => {
  const steps = (e: Stream<Event>) =>
    e
      .map((of) => ({ n: of.tip, at: of.at }))
      .where((of) => of.n === 1)
      .map((of) => ({ kind: of.n, card: of.at }))
      .sink('a')
  expect(wanted(steps)).toEqual([...KEY_AND_TIME, 'tip'])
})

test('columns of tumbling windows are given the event, what follows them is not', () => {
  const steps = (e: Stream<Event>) =>
    e
      .where((of) => of.kind !== 'test')
      .tumbling(minutes(1))
      .aggregate({ n: (of) => of.n, half: (of) => of.card.bank.length }, (a) => ({
        tip: a.sum('n'),
      }))
      .map((of) => ({ tip: of.tip, end: of.windowEndMs }))
      .sink('a')
  // The length of a text is a field like others, as far as its source tells.
  expect(wanted(steps)).toEqual([...KEY_AND_TIME, 'kind', 'n', 'card.bank.length'])
})

test('kinds, columns, values and keys of rows are given the event', () => {
  const definition = defineTopology('t', (t) => {
    const rows = t.table('rows', {
      schema: Event,
      key: (row) => row.kind,
      from: file(new URL('file:///rows.ndjson')),
    })
    return t
      .source('events', {
        schema: Event,
        key: (e) => e.id,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1) },
        onLate: 'drop',
      })
      .features((f) => {
        const some = f.only((e): e is Event => e.kind === 'a', { n: (e) => e.n })
        return {
          n: some.rolling(minutes(1)).sum('n'),
          tip: some.value((e: Event) => e.tip as number),
          bank: some.lookup(rows, (e) => e.card.bank).value((row) => row.card.country.length),
        }
      })
      .score({ ...model, features: ['n', 'tip', 'bank'] } as never)
      .sink('a')
  })
  expect(wantedFields(definition)).toEqual([
    ['id'],
    ['at'],
    ['kind'],
    ['n'],
    ['tip'],
    ['card', 'bank'],
  ])
})

test('behind a model fields of `event` are wanted, and nothing of the score', () => {
  const steps = (e: Stream<Event>) =>
    e
      .features((f) => ({ n: f.events({}).value((of: Event) => of.n * 1) }))
      .where((of) => of.card.country === 'CH')
      .score(model)
      .map((s) => ({ kind: s.event.kind, tip: s.score.p, id: s.features.n, by: s.model }))
      .sink('a')
  expect(wanted(steps)).toEqual([...KEY_AND_TIME, 'card.country', 'kind'])
})

test('behind a model a condition is given it, what follows a map is not', () => {
  const steps = (e: Stream<Event>) => {
    const scores = e
      .features((f) => ({ n: f.events({}).value((of: Event) => of.n * 1) }))
      .score(model)
    return [
      scores
        .map((s) => ({ event: { card: s.event.card.bank } }))
        .map((of) => of.event.card)
        .sink('a'),
      scores.where((s) => s.event.kind === 'one').sink('b'),
    ]
  }
  expect(wanted(steps)).toEqual([...KEY_AND_TIME, 'card.bank', 'kind'])
})
