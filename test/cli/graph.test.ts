import { expect, test } from 'vitest'
import { z } from 'zod'
import { mermaid } from '../../src/cli/graph.ts'
import { calledFunctions, outline } from '../../src/host/topology-lines.ts'
import type { Definition } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import flightDelay from '../../topologies/flight-delay.ts'
import { jsonFormatOf } from '../support/format.ts'

function withFormat(definition: Definition) {
  return { definition, format: jsonFormatOf(definition) }
}

test('an outline names what an event passes, with the model as it is loaded', () => {
  expect(outline(cardFraud)).toEqual(['payments → 13 features → card-gbdt@2 → predictions'])
  expect(outline(cardFraud, new Map([['card-gbdt', 'card-gbdt@2+0a1b2c3d']]))).toEqual([
    'payments → 13 features → card-gbdt@2+0a1b2c3d → predictions',
  ])
})

test('an outline has a line for each sink', () => {
  const [features] = cardFraud.then
  const sink = { op: 'sink', name: 'raw', topic: 'raw', key: null } as const
  const both = { ...cardFraud, then: [sink, ...(features === undefined ? [] : [features])] }
  expect(outline(both)).toEqual([
    'payments → raw',
    'payments → 13 features → card-gbdt@2 → predictions',
  ])
})

test('functions that are called for each event are told, each with the reason, and once what to do', () => {
  expect(calledFunctions([flightDelay, cardFraud].map(withFormat))).toEqual([
    'called for each event: flight-delay.features.late (it uses the operator `>`)',
    'called for each event: flight-delay.features.lost (it uses the operator `-`)',
    'called for each event: flight-delay.features.windMph (it fills in a template)',
    'for these, each event is made into an object, which is slower; a function is compiled if it only reads fields, compares a field with ' +
      'a constant by === or !==, reads a time, or puts these into an object (in derive, if it only calculates), and if the schema only declares fields and their types',
  ])
})

test('where the schema does more than tell fields apart, every function is called', () => {
  const schema = z.object({ cardId: z.string() }).refine(() => true)
  const refined = { ...cardFraud, source: { ...cardFraud.source, schema } }
  const [every, ...more] = calledFunctions([withFormat(refined)])
  expect(every).toBe(
    'called for each event: every function of card-fraud (its schema is not scanned: checks of object)',
  )
  expect(more).toHaveLength(1)
})

test('nothing is told where all functions are compiled', () => {
  expect(calledFunctions([withFormat(cardFraud)])).toEqual([])
})

test('a graph runs from the source to the sink; late events and dead letters leave it on dashed lines', () => {
  expect(mermaid(cardFraud)).toBe(
    `flowchart LR
  source[["payments"]]
  step1["features: 13"]
  step2(["card-gbdt@2"])
  step3["map"]
  step4[["predictions"]]
  deadLetters[["payments.dlq"]]
  source --> step1
  step1 --> step2
  step2 --> step3
  step3 --> step4
  source -. malformed .-> deadLetters
  step1 -. late .-> deadLetters
  step2 -. not finite .-> deadLetters`,
  )
})

test('a graph shows tables and conditions, and where dropped events go', () => {
  const source = { ...flightDelay.source, onLate: 'drop' } as const
  const text = mermaid({ ...flightDelay, source })
  expect(text).toContain('table1[("planes")]')
  expect(text).toContain('step2{"where"}')
  expect(text).toContain('step1 -. late .-> step1Dropped(("dropped"))')
})

test('a step that leaves out duplicates tells how far apart they may be', () => {
  const by = () => 'id'
  const { then } = cardFraud
  const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs: 600_000, then } as const
  const definition = { ...cardFraud, then: [dedupe] }
  expect(outline(definition)).toEqual([
    'payments → dedupe within 10 min → 13 features → card-gbdt@2 → predictions',
  ])
  const text = mermaid(definition)
  expect(text).toContain('step1["dedupe: 10 min"]')
  expect(text).toContain('step1 -. late .-> deadLetters')
  expect(text).toContain('step1 -. duplicate .-> step1Dropped(("dropped"))')
})

test('a name with a quotation mark does not break a graph', () => {
  const named = { ...cardFraud, deadLetterTopic: 'a "b"' }
  expect(mermaid(named)).toContain('deadLetters[["a #quot;b#quot;"]]')
})
