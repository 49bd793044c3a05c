import { describe, expect, test } from 'vitest'
import { mulberry32 } from '../../bench/payments.ts'
import { runs } from '../../support/runs.ts'
import { BothWays } from './both-ways.ts'
import { KINDS, mutated, produced } from './records.ts'

const RECORDS = runs(35_000)

describe.each(KINDS)('$name', (kind) => {
  test('is scanned only as the parser and the schema take it, to the bit', () => {
    const random = mulberry32(11)
    const ways = new BothWays(kind)
    let scanned = 0
    const different: string[] = []
    for (let n = 0; n < RECORDS; n++) {
      const record = mutated(produced(kind, random), random)
      const { isScanned, difference } = ways.answers(record, random)
      if (difference !== null) different.push(`${record.toString('latin1')}: ${difference}`)
      if (isScanned) scanned++
    }
    expect(different).toEqual([])
    // Fewer would prove little.
    expect(scanned).toBeGreaterThan(RECORDS / 20)
  })

  test('is scanned when it is an event, unless it has what is left to the schema', () => {
    const random = mulberry32(12)
    const ways = new BothWays(kind)
    let [events, scanned] = [0, 0]
    for (let n = 0; n < runs(3_000); n++) {
      const record = produced(kind, random)
      if (ways.event(record) === null) continue
      events++
      if (ways.answers(record, random).isScanned) scanned++
    }
    expect(scanned / events).toBeGreaterThan(kind.share)
  })
})
