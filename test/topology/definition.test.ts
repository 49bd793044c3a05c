import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { isDefinition } from '../../src/topology/definition.ts'
import { outputTopics, stepsOf, withMaxAhead, withTopics } from '../../src/topology/graph.ts'

const definition = defineTopology('test', (t) => {
  const events = t.source('in', {
    schema: z.object({ k: z.string(), at: z.number() }),
    key: (e) => e.k,
    eventTimeMs: (e) => e.at,
    watermark: { lag: seconds(1) },
    onLate: 'drop',
  })
  const deep = events.where(() => true).map((e) => e)
  return [deep.sink('a'), events.sink('b'), events.map((e) => e).sink('a')]
})

test('the steps come each before what follows it', () => {
  expect([...stepsOf(definition.then)].map((s) => s.name)).toEqual(
    'where map a b map-2 a-2'.split(' '),
  )
})

test('the topics written are each told once, dead letters last', () => {
  expect(outputTopics(definition)).toEqual(['a', 'b', 'in.dlq'])
})

test('with other topics every step keeps its name, and only what is named is replaced', () => {
  const actual = new Map([
    ['in', 'in-2'],
    ['a', 'a-2'],
    ['in.dlq', 'bad'],
    ['unknown', 'x'],
  ])
  const renamed = withTopics(definition, actual)
  expect(renamed.source.topic).toBe('in-2')
  expect(outputTopics(renamed)).toEqual(['a-2', 'b', 'bad'])
  expect([...stepsOf(renamed.then)].map((s) => s.name)).toEqual(
    [...stepsOf(definition.then)].map((s) => s.name),
  )
  expect(definition.source.topic).toBe('in')
})

test('with another future guard only the guard is another', () => {
  const { source, ...rest } = withMaxAhead(definition, 'none')
  const { source: before, ...restBefore } = definition
  expect(rest).toEqual(restBefore)
  expect(source).toEqual({ ...before, watermark: { ...before.watermark, maxAheadMs: 'none' } })
})

test('a topology is known across copies of the package', () => {
  const copied = { ...definition, [Symbol.for('tidemark.topology')]: true }
  expect([copied, {}, null, 'test'].map(isDefinition)).toEqual([true, false, false, false])
})
