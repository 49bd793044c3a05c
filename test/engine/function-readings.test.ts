import { defineTopology, file, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { functionReadings } from '../../src/engine/author-functions.ts'

const Event = z.object({ id: z.string(), kind: z.string(), n: z.number(), at: z.number() })
type Event = z.infer<typeof Event>

const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '',
  input: 'x',
  features: ['n', 'half', 'rows', 'seen'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

const source = {
  schema: Event,
  key: (e: Event) => e.id,
  eventTimeMs: (e: Event) => e.at,
  watermark: { lag: seconds(1) },
  onLate: 'dead-letter',
} as const

/** `where: compiled`, `where: why it is called` */
function told(topology: Parameters<typeof functionReadings>[0]): string[] {
  return functionReadings(topology).map(({ where, what, why }) => `${where}: ${why ?? what}`)
}

test('every function that takes events is told, compiled or called', () => {
  const topology = defineTopology('all', (t) => {
    const rows = t.table('rows', {
      schema: Event,
      key: (row) => row.id.trim(),
      from: file(new URL('file:///rows.ndjson')),
    })
    const { some, rest } = t
      .source('events', { ...source, key: (e) => e.id.trim() })
      .where((e) => e.kind !== 'test')
      .branch({ some: (e) => e.n > 1 })
    return [
      some
        .features((f) => {
          const events = f.only((e): e is Event => e.kind === 'a', { n: (e) => e.n })
          return {
            n: events.value('n'),
            half: events.value((e: Event) => e.n / 2),
            rows: events.lookup(rows, (e) => e.kind).value((row) => row.n + 1),
            seen: events.rolling(minutes(1)).count(),
          }
        })
        .score(model)
        .map((s) => ({ id: s.event.id, p: s.score.p }))
        .sink('scores', { key: (s) => s.id }),
      rest
        .tumbling(minutes(1))
        .aggregate({ log: (e) => Math.log(e.n) }, () => ({}))
        .sink('minutes'),
    ]
  })
  expect(told(topology)).toEqual([
    'events.key: it calls trim',
    'events.eventTimeMs: compiled',
    'where: compiled',
    'branch.some: it uses the operator `>`',
    'features.only: compiled',
    'features.n: compiled',
    'features.half: it uses the operator `/`',
    'features.rows: compiled',
    'map: compiled',
    'scores.key: compiled',
    'tumbling.log: it calls log',
  ])
})

test('a reading names its step, but for the functions of the source', () => {
  const topology = defineTopology('steps', (t) =>
    t
      .source('events', source)
      .map((e) => ({ n: e.n + 1 }))
      .sink('out'),
  )
  expect(functionReadings(topology)).toEqual([
    { where: 'events.key', step: null, what: 'compiled' },
    { where: 'events.eventTimeMs', step: null, what: 'compiled' },
    { where: 'map', step: 'map', what: 'called', why: 'it uses the operator `+`' },
  ])
})
