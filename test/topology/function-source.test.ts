import { defineTopology, minutes, onnxModel, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { authorFunctions } from '../../src/engine/author-functions.ts'
import { impuritiesIn, purityNotes } from '../../src/topology/function-source.ts'
import cardActivity from '../../topologies/card-activity.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import cardMinutes from '../../topologies/card-minutes.ts'
import flightDelay from '../../topologies/flight-delay.ts'

describe('what a function uses beside its event', () => {
  test.each([
    ['(e) => Date.now() - e.at', ['Date.now']],
    ["(e) => Date['now']()", ['Date.now']],
    ['(e) => Date?.now?.()', ['Date.now']],
    ['(e) => globalThis.Date.now()', ['Date.now']],
    ['(e) => new Date().getHours()', ['new Date()']],
    ['(e) => new Date', ['new Date()']],
    ['(e) => new globalThis.Date()', ['new Date()']],
    ['(e) => Date()', ['Date()']],
    ['(e) => performance.now()', ['performance.now']],
    ['(e) => Temporal.Now.instant()', ['Temporal.Now']],
    ['(e) => Math.random() < 0.5', ['Math.random']],
    ['(e) => ({ id: crypto.randomUUID() })', ['crypto.randomUUID']],
    ['(e) => crypto.getRandomValues(e.bytes)', ['crypto.getRandomValues']],
    ['(e) => randomUUID()', ['randomUUID']],
    ['async (e) => await fetch(e.url)', ['fetch']],
    ["(e) => process.env.SITE ?? 'x'", ['process']],
    ['(e) => globalThis.process.pid', ['process']],
    ['(e) => { setTimeout(() => {}, 1); return 1 }', ['setTimeout']],
    ['(e) => { setInterval(f, 1); setImmediate(f) }', ['setInterval', 'setImmediate']],
    ['(e) => `${Date.now()}`', ['Date.now']],
    ['(e, now = Date.now()) => now', ['Date.now']],
    ['(e) => ({ process, at: e.at })', ['process']],
    ['(e) => Math.random() + Math.random() + Date.now()', ['Math.random', 'Date.now']],
  ])('is found in %s', (text, found) => {
    expect(impuritiesIn(text)).toEqual(found)
  })

  test.each([
    ['an arrow', '(e) => Date.now()'],
    ['an async arrow', 'async e => Date.now()'],
    ['a function', 'function (e) { return Date.now() }'],
    ['a named function', 'function age(e) { return Date.now() }'],
    ['an async function', 'async function age(e) { return Date.now() }'],
    ['a generator', 'function* age(e) { yield Date.now() }'],
    ['a method', 'age(e) { return Date.now() }'],
    ['an async method', 'async age(e) { return Date.now() }'],
    ['a generator method', '*age(e) { yield Date.now() }'],
    ['a computed method', "['age'](e) { return Date.now() }"],
    ['a static method', 'static age(e) { return Date.now() }'],
    ['a method with super', 'age(e) { return super.age(e) + Date.now() }'],
    ['a method with a private field', 'age(e) { return this.#zero + Date.now() }'],
    ['a text that ends in a comment', '(e) => Date.now() // now'],
    ['a platform function itself', Date.now.toString()],
  ])('is found in %s', (_, text) => {
    expect(impuritiesIn(text)).toEqual(['Date.now'])
  })

  test.each([
    ['a comment', '(e) => e.at /* Date.now() */ // Math.random()'],
    ['a string', `(e) => "Date.now()" + 'new Date()' + \`process fetch(\``],
    ['a regular expression', '(e) => /Date.now()/.test(e.text)'],
    ['a field', '(e) => e.process + e.Date.now + e.fetch() + e.setTimeout'],
    ['a field that is written', '(e) => ({ process: 1, fetch: 2, randomUUID: e.id })'],
    ['a label', '(e) => { process: for (;;) break process }'],
    ['a parameter', '({ process, at: fetch }) => process + fetch'],
    ['a variable', '(e) => { const Date = e.dates; return Date.now() }'],
    ['an inner function', '(e) => { function random() {} class Math {} return Math.random() }'],
    [
      'a date of the event',
      '(e) => new Date(e.at).getUTCHours() + Date.parse(e.day) + Date.UTC(1)',
    ],
    ['a pure neighbour', '(e) => Math.floor(e.at) + performance.mark + crypto.subtle'],
    ['a function without text', Math.floor.toString()],
    ['a bound function', Date.now.bind(Date).toString()],
  ])('is not found in %s', (_, text) => {
    expect(impuritiesIn(text)).toEqual([])
  })
})

const Event = z.object({ key: z.string(), at: z.number() })

const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '',
  input: 'x',
  features: ['age', 'seen'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

const source = {
  schema: Event,
  key: (e: z.infer<typeof Event>) => e.key,
  eventTimeMs: (e: z.infer<typeof Event>) => e.at,
  watermark: { lag: seconds(1) },
  onLate: 'dead-letter',
} as const

describe('the notes of a topology', () => {
  test('name every place and what it uses, with what to do', () => {
    const topology = defineTopology('impure', (t) => {
      const { some, rest } = t
        .source('events', { ...source, key: () => crypto.randomUUID(), eventTimeMs: Date.now })
        .where(() => Math.random() < 0.5)
        .branch({ some: (e) => e.at > Date.now() })
      return [
        some
          .features((f) => {
            const events = f.events({ now: () => new Date().getTime() })
            return {
              age: events.value((e) => performance.now() - e.at),
              seen: events.rolling(minutes(1)).count(),
            }
          })
          .score(model)
          .map((s) => ({ ...s.score, host: process.pid }))
          .sink('scores', { key: () => String(Math.random()) }),
        rest
          .tumbling(minutes(1))
          .aggregate({ wall: () => Date.now() }, (a) => ({ n: a.count() }))
          .sink('minutes'),
      ]
    })
    const places = purityNotes(topology.name, authorFunctions(topology)).map(
      (note) => /^impure: (.+?): /.exec(note)?.[1],
    )
    expect(places).toEqual([
      'events.key uses crypto.randomUUID',
      'events.eventTimeMs uses Date.now',
      'where uses Math.random',
      'branch.some uses Date.now',
      'features.now uses new Date()',
      'features.age uses performance.now',
      'map uses process',
      'scores.key uses Math.random',
      'tumbling.wall uses Date.now',
    ])
    expect(purityNotes(topology.name, authorFunctions(topology))[0]).toBe(
      'impure: events.key uses crypto.randomUUID: a replay, such as after a restart, may give ' +
        'another result for the same event (derive it from the event, such as from its id)',
    )
  })

  test('tell of one function once, though several places have it', () => {
    const age = (e: z.infer<typeof Event>) => Date.now() - e.at
    const topology = defineTopology('twice', (t) =>
      t
        .source('events', source)
        .features((f) => {
          const events = f.events({ age })
          return { age: events.value(age), seen: events.rolling(minutes(1)).count() }
        })
        .score(model)
        .map((s) => s.score)
        .sink('scores'),
    )
    expect(purityNotes(topology.name, authorFunctions(topology))).toHaveLength(1)
  })

  test.each([cardFraud, cardMinutes, cardActivity, flightDelay].map((t) => [t.name, t] as const))(
    'are none of %s',
    (_, topology) => {
      expect(purityNotes(topology.name, authorFunctions(topology))).toEqual([])
    },
  )
})
