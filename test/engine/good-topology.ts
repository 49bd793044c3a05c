import { defineTopology, hours, onnxModel, seconds } from 'tidemark'
import { z } from 'zod'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Definition } from '../../src/topology/definition.ts'
import type { TopologyBuilder } from '../../src/topology/stream.ts'

// A good topology for tests that make it faulty, and its faults.

/** A model without its features. */
export const MODEL = {
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '00',
  input: 'x',
  outputs: { p: { tensor: 'p', column: 0 } },
}

/** The source of the good topology. */
export function events(t: TopologyBuilder) {
  return t.source('in', {
    schema: z.object({ k: z.string(), at: z.number(), amount: z.number(), shop: z.string() }),
    key: (e) => e.k,
    eventTimeMs: (e) => e.at,
    watermark: { lag: seconds(1) },
    onLate: 'drop',
  })
}

/** A topology without faults. */
export const good = defineTopology('test', (t) => {
  const Shop = z.object({ id: z.string() })
  t.table('shops', { schema: Shop, key: (s) => s.id, from: { file: new URL('file:///shops') } })
  return events(t)
    .features((f) => {
      const all = f.events({ amount: (e) => e.amount, shop: (e) => e.shop })
      const hour = all.rolling(hours(1))
      return {
        value: all.value('amount'),
        sum: hour.sum('amount'),
        shops: hour.distinct('shop'),
      }
    })
    .score(onnxModel({ ...MODEL, features: ['value', 'sum', 'shops'] }))
    .map((s) => s.score)
    .sink('out')
})

/** The faults of a topology, in words. */
export function faultsOf(definition: Definition): string[] {
  return validateTopology(definition).map((f) => `${f.code} ${f.where}: ${f.message}`)
}
