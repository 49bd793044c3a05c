import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../support/runs.ts'
import { following, inAvro } from './following-table.ts'

const KEYS = ['a', 'b', 'c', 'd', 'e']
const IDS = [1, 2, 3]
const STEP_MS = 10_000

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      key: fc.constantFrom(...KEYS),
      // `null`: a tombstone.
      id: fc.option(fc.constantFrom(...IDS), { freq: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('register' as const), id: fc.constantFrom(...IDS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('registry' as const), isDown: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('partition' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
)

interface Written {
  readonly key: string
  readonly risk: number | undefined
  readonly partition: number
  readonly offset: number
}

/** The risk of each key by the records before these offsets, in the order of their writing. */
function naive(log: readonly Written[], offsets: readonly number[]): (number | undefined)[] {
  const read = log.filter(({ partition, offset }) => offset < (offsets[partition] ?? 0))
  return KEYS.map((key) => read.findLast((one) => one.key === key)?.risk)
}

test('through outages of the registry, schemas that come late and new partitions, a table has what the records say that it has read', async () => {
  let waits = 0
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const { values, registry, register, row } = inAvro()
    register(0)
    const followed = following({ values, partitions: 1 })
    const log: Written[] = []
    const ends = [0]
    const running = followed.of.run()
    await followed.of.loaded
    const offsetsOf = ({ table }: typeof followed) => (table.contents ?? '').split(',').map(Number)
    const check = (of: typeof followed) =>
      expect(KEYS.map(of.riskOf)).toEqual(naive(log, offsetsOf(of)))
    for (const one of steps) {
      if (one.do === 'write') {
        const partition = KEYS.indexOf(one.key) % ends.length
        const offset = ends[partition] as number
        const risk = one.id === null ? undefined : log.length
        const value = one.id === null ? null : row(one.id, log.length)
        ends[partition] = offset + 1
        followed.putValue(one.key, value, { partition, timestampMs: log.length })
        log.push({ key: one.key, risk, partition, offset })
      } else if (one.do === 'register') {
        register(one.id)
      } else if (one.do === 'registry') {
        registry.isDown = one.isDown
      } else if (one.do === 'partition') {
        ends.push(0)
        followed.records.addPartitions('merchants', ends.length)
      } else {
        followed.clock.advance(STEP_MS)
        for (let turns = 0; turns < 5; turns++) await nextTurn()
      }
      check(followed)
    }
    registry.isDown = false
    for (const id of IDS) register(id)
    const catchUp = async (of: typeof followed) => {
      while (ends.some((end, partition) => end > (offsetsOf(of)[partition] ?? 0))) {
        of.clock.advance(STEP_MS)
        await nextTurn()
      }
      check(of)
    }
    await catchUp(followed)
    waits += followed.told('trouble').length
    expect(followed.told('table-row-invalid')).toEqual([])
    followed.of.stop()
    await running
    const anew = following({ values, records: followed.records })
    const reading = anew.of.run()
    await catchUp(anew)
    anew.of.stop()
    await reading
  })
  await fc.assert(property, { numRuns: runs(500) })
  expect(waits).toBeGreaterThan(runs(100))
})
