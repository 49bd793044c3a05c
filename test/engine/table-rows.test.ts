import { defineTopology, minutes, onnxModel, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Definition } from '../../src/topology/definition.ts'
import type { TopologyBuilder } from '../../src/topology/stream.ts'

// Faults in look-ups, and in features that are carried.

const Shop = z.object({ id: z.string(), risk: z.number() })

function events(t: TopologyBuilder) {
  return t.source('in', {
    schema: z.object({ k: z.string(), at: z.number(), amount: z.number(), shop: z.string() }),
    key: (e) => e.k,
    eventTimeMs: (e) => e.at,
    watermark: { lag: seconds(1) },
    onLate: 'drop',
  })
}

function shopsOf(t: TopologyBuilder) {
  const from = { file: new URL('file:///shops') }
  return t.table('shops', { schema: Shop, key: (s) => s.id, from })
}

function modelOf<const F extends readonly string[]>(features: F) {
  const file = new URL('file:///m.onnx')
  const outputs = { p: { tensor: 'p', column: 0 } }
  return onnxModel({ name: 'm', version: '1', file, sha256: '00', input: 'x', outputs, features })
}

function faultsOf(definition: Definition): string[] {
  return validateTopology(definition).map((f) => `${f.code} ${f.where}: ${f.message}`)
}

test("features to carry must be there, and not be the model's already", () => {
  const carrying = (carry: string[]) =>
    defineTopology('test', (t) =>
      events(t)
        .features((f) => {
          const all = f.events({})
          return { sum: all.value((e) => e.amount), more: all.value((e) => e.amount) }
        })
        .score(modelOf(['sum']), { carry: carry as ['more'] })
        .sink('out'),
    )
  expect(faultsOf(carrying(['more']))).toEqual([])
  expect(faultsOf(carrying(['more', 'nope', 'sum', 'more']))).toEqual([
    'TOPOLOGY_INVALID test/m: carry: there is no feature nope',
    'TOPOLOGY_INVALID test/m: carry: sum, more is there already',
  ])
  expect(faultsOf(carrying([]))).toEqual(['TOPOLOGY_INVALID test/m: model m does not take more'])
})

test('two look-ups have two names; two features may have one look-up', () => {
  const twoShops = (other: { as?: 'other' }) =>
    defineTopology('test', (t) => {
      const shops = shopsOf(t)
      return events(t)
        .features((f) => {
          const all = f.events({})
          const here = all.lookup(shops, (e) => e.shop)
          const there = all.lookup(shops, (e) => e.k, other)
          return {
            value: here.value((s) => s.risk),
            sum: here.value((s) => -s.risk),
            shops: there.value((s) => s.risk),
          }
        })
        .score(modelOf(['value', 'sum', 'shops']))
        .sink('out')
    })
  expect(faultsOf(twoShops({ as: 'other' }))).toEqual([])
  expect(faultsOf(twoShops({}))).toEqual([
    'TOPOLOGY_INVALID test/features: two look-ups are named "shops"',
  ])
})

function riskyShops(t: TopologyBuilder) {
  const shops = shopsOf(t)
  return events(t)
    .features((f) => {
      const shop = f.events({}).lookup(shops, (e) => e.shop)
      return { risk: shop.value((s) => s.risk) }
    })
    .score(modelOf(['risk']))
    .where((s) => s.lookup.shops !== undefined)
    .map((s) => ({ risk: s.lookup.shops?.risk ?? 0, id: s.event.k }))
}

// A replay may find another row than the one that was there.
test.each<[string, Definition, string]>([
  [
    'tumbling windows',
    defineTopology('test', (t) => {
      const minute = riskyShops(t).tumbling(minutes(1))
      return minute.aggregate({ risk: (s) => s.risk }, (a) => ({ sum: a.sum('risk') })).sink('out')
    }),
    'test/tumbling: windows over scores',
  ],
  [
    'rolling windows',
    defineTopology('test', (t) =>
      riskyShops(t)
        .features((f) => {
          const all = f.events({ risk: (s) => s.risk })
          return { risk: all.rolling(minutes(1)).sum('risk') }
        })
        .score(modelOf(['risk']))
        .sink('out'),
    ),
    'test/features-2: windows over scores',
  ],
  [
    'ids that have come before',
    defineTopology('test', (t) =>
      riskyShops(t)
        .dedupe({ by: (s) => s.id, within: minutes(1) })
        .sink('out'),
    ),
    'test/dedupe: duplicates among scores',
  ],
])('%s do not depend on rows of a table', (_, definition, fault) => {
  expect(faultsOf(definition)).toEqual([`NOT_SUPPORTED ${fault}`])
})
