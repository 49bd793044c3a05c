import { defineTopology, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { messageOf, type Refused } from '../../../src/kernel/errors.ts'
import type { Compression } from '../../../src/kernel/kafka.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import cardFraud from '../../../topologies/card-fraud.ts'
import { COMPRESSION_NUMBERS, NODE_HAS_ZSTD } from '../../support/compressions.ts'
import { type TestChoices as Choices, prepare } from '../../support/in-process.ts'
import { withLatencyBudget } from '../../support/latency-budget.ts'

/** A topology that copies one topic to another. */
function copy(name: string, from: string, to: string): Definition {
  return defineTopology(name, (t) =>
    t
      .source(from, {
        schema: z.object({ k: z.string(), at: z.number() }),
        key: (e) => e.k,
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(0) },
        onLate: 'drop',
      })
      .sink(to),
  )
}

/** The same, with a compression of its sink. */
function compressed(definition: Definition, compression: Compression): Definition {
  const then = definition.then.map((step) => ({ ...step, compression }))
  return { ...definition, then }
}

function choices(
  topics: Record<string, string> = {},
  models: Record<string, string> = {},
): Choices {
  return { topics, models }
}

async function faultsOf(definitions: readonly Definition[], chosen = choices()) {
  const refused = (await prepare(definitions, chosen).catch((e: unknown) => e)) as Refused
  return refused.faults.map((f) => `${f.code} ${f.message}`)
}

describe('refused before a broker is asked', () => {
  test('more topologies on one source than a commit can tell of', async () => {
    const many = Array.from({ length: 16 }, (_, i) => copy(`t${i}`, 'in', `out${i}`))
    const chosen = choices({ other: 'in' })
    expect(await faultsOf([...many, copy('one-more', 'other', 'y')], chosen)).toEqual([
      'NOT_SUPPORTED 17 topologies read "in"; a worker can run at most 16',
    ])
  })

  test('names of topologies that are too long together for a commit to tell of', async () => {
    const named = (length: number) =>
      Array.from({ length: 16 }, (_, i) => copy(String(i).padStart(length, 'n'), 'in', `out${i}`))
    expect(await faultsOf(named(200))).toEqual([
      'NOT_SUPPORTED the names of 16 topologies that read "in" are too long together for a commit\'s metadata',
    ])
    await (await prepare(named(100), choices())).close()
  })

  test('two that would give different outputs of one source the same ids', async () => {
    expect(await faultsOf([copy('a', 'in', 'x'), copy('b', 'in', 'x')])).toEqual([
      'TOPOLOGY_INVALID "a" and "b" both write "x" from "in": their outputs would have the same ids',
    ])
  })

  test('sinks that give one topic different compressions', async () => {
    const topologies = [
      compressed(copy('a', 'in', 'x'), 'lz4'),
      compressed(copy('b', 'other', 'y'), 'gzip'),
    ]
    expect(await faultsOf(topologies, choices({ y: 'x' }))).toEqual([
      'TOPOLOGY_INVALID topic "x" is compressed with lz4 by a/x, and with gzip here',
    ])
    await (await prepare([...topologies, copy('c', 'another', 'x')], choices())).close()
  })

  test('a compression that Kafka does not have, or not this Node, and no other', async () => {
    const told: Record<string, string> = {}
    for (const name of [...Object.keys(COMPRESSION_NUMBERS), 'brotli'] as Compression[]) {
      const preparing = prepare([compressed(copy('a', 'in', 'x'), name)], choices())
      await preparing.then(
        (prepared) => prepared.close(),
        (error: unknown) => {
          told[name] = messageOf(error)
        },
      )
    }
    const zstd = `NOT_SUPPORTED: zstd needs Node 22.15, 23.8 or newer, and this is ${process.versions.node}: lz4 works with all`
    expect(told).toEqual({
      brotli: 'TOPOLOGY_INVALID: compression "brotli" must be one of none, gzip, snappy, lz4, zstd',
      ...(!NODE_HAS_ZSTD && { zstd }),
    })
  })

  test('two of one name', async () => {
    expect(await faultsOf([copy('a', 'in', 'x'), copy('a', 'other', 'y')])).toEqual([
      'TOPOLOGY_INVALID two topologies are named "a"',
    ])
  })

  test('an output that the operator has put on the source', async () => {
    expect(await faultsOf([copy('a', 'in', 'x')], choices({ x: 'in' }))).toEqual([
      'TOPOLOGY_INVALID sink "in" is the source: its outputs would come back as events',
    ])
  })

  test('names of topics and models that no topology has, all at once', async () => {
    const chosen = choices({ nope: 't', x: 'y' }, { gbdt: 'file.onnx' })
    const faults = await faultsOf([copy('a', 'in', 'x')], chosen)
    expect(faults).toContain('CONFIG_INVALID no topology has a topic "nope"')
    expect(faults).toContain('CONFIG_INVALID no topology uses a model "gbdt"')
    expect(faults).toHaveLength(2)
  })
})

test('what runs has the chosen topics; the hash of its outputs is that of the topology as written', async () => {
  const plain = await prepare([copy('a', 'in', 'x')], choices())
  const renamed = await prepare([copy('a', 'in', 'x')], choices({ in: 'in-2', x: 'x-2' }))
  const definition = renamed.topologies[0]?.definition
  expect(definition?.source.topic).toBe('in-2')
  expect(definition?.then).toMatchObject([{ op: 'sink', name: 'x', topic: 'x-2' }])
  expect(definition?.deadLetterTopic).toBe('in.dlq')
  expect(renamed.topologies[0]?.by).toBe(plain.topologies[0]?.by)
})

test('the future guard is switched off where the operator says so', async () => {
  const { topologies } = await prepare([copy('a', 'in', 'x')], { ...choices(), maxAhead: 'none' })
  expect(topologies[0]?.definition.source.watermark.maxAheadMs).toBe('none')
})

test('a model that is too slow is refused, but not where nobody asks for the time', async () => {
  const topology = withLatencyBudget(cardFraud, 1e-6)
  expect((await faultsOf([topology]))[0]).toMatch(/^MODEL_TOO_SLOW /)
  const prepared = await prepare([topology], { ...choices(), latencyBudget: 'none' })
  await prepared.close()
})
