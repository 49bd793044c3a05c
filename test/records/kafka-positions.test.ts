import { describe, expect, test } from 'vitest'
import { Positions } from '../../src/records/kafka/positions.ts'

function positions(): Positions {
  let epoch = 0
  return new Positions(() => {
    epoch++
    return epoch
  })
}

const at = (...partitions: number[]) => partitions.map((partition) => ({ topic: 't', partition }))
const numbers = (list: readonly { partition: number }[]) => list.map((owned) => owned.partition)

describe('positions of a member', () => {
  test('a kept partition keeps epoch and position, a new one gets a new epoch', () => {
    const held = positions()
    const first = held.assign(at(0, 1), 'me')
    const [zero] = first.added
    if (zero !== undefined) zero.nextOffset = 7
    const second = held.assign(at(0, 2), 'me')
    expect(numbers(second.lost)).toEqual([1])
    expect(second.kept).toEqual([{ ...zero, nextOffset: 7 }])
    expect(second.added.map((owned) => owned.epoch)).toEqual([3])
  })

  test('a partition that comes back is another assignment', () => {
    const held = positions()
    const [before] = held.assign(at(0), 'me').added
    held.assign([], 'me')
    const [after] = held.assign(at(0), 'me').added
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0)
    expect(before !== undefined && held.holds(before)).toBe(false)
  })

  test('under another member id everything is lost and assigned anew', () => {
    const held = positions()
    held.assign(at(0, 1), 'me')
    const change = held.assign(at(0, 1), 'me again')
    expect(numbers(change.lost)).toEqual([0, 1])
    expect(change.kept).toEqual([])
    expect(change.added.map((owned) => owned.epoch)).toEqual([3, 4])
  })
})
