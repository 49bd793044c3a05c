import { describe, expect, test } from 'vitest'
import { type Owned, Positions } from '../../src/connect/kafka/group/positions.ts'

function positions(): Positions {
  let epoch = 0
  return new Positions(() => {
    epoch++
    return epoch
  }, 'my-id')
}

const at = (...partitions: number[]) => partitions.map((partition) => ({ topic: 't', partition }))
const numbers = (list: readonly { partition: number }[]) => list.map((owned) => owned.partition)
const generation = (generationId: number, memberId = 'me') => ({ generationId, memberId })

describe('positions of a member', () => {
  test('a kept partition keeps epoch and position, a new one gets a new epoch', () => {
    const held = positions()
    const first = held.assign(at(0, 1), generation(5))
    const [zero] = first.added
    if (zero !== undefined) zero.nextOffset = 7
    const second = held.assign(at(0, 2), generation(6))
    expect(numbers(second.lost.revoked)).toEqual([1])
    expect(second.lost.expelled).toEqual([])
    expect(held.get({ topic: 't', partition: 0 })).toMatchObject({ epoch: 1, nextOffset: 7 })
    expect(second.added.map((owned) => owned.epoch)).toEqual([3])
  })

  test('a partition that comes back is another assignment', () => {
    const held = positions()
    const [before] = held.assign(at(0), generation(1)).added
    held.assign([], generation(2))
    const [after] = held.assign(at(0), generation(3)).added
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0)
    expect(before !== undefined && held.holds(before)).toBe(false)
  })

  test.each([
    ['under another member id', generation(2, 'me again')],
    ['after a generation whose assignment never came', generation(3)],
  ])('%s everything is lost and assigned again', (_, later) => {
    const held = positions()
    held.assign(at(0, 1), generation(1))
    const change = held.assign(at(0, 1), later)
    expect(numbers(change.lost.expelled)).toEqual([0, 1])
    expect(change.lost.revoked).toEqual([])
    expect(change.added.map((owned) => owned.epoch)).toEqual([3, 4])
  })

  test('after such a generation it keeps what nobody has touched, and no more', () => {
    const held = positions()
    const { added } = held.assign(at(0, 1, 2, 3), generation(1))
    for (const owned of added.slice(0, 3)) owned.started = true
    expect(numbers(held.doubtful(generation(3)))).toEqual([0, 1, 2])
    const change = held.assign(
      at(0, 1, 3),
      generation(3),
      [0, 2].map((i) => added[i] as Owned),
    )
    expect(numbers(change.lost.revoked)).toEqual([2])
    expect(numbers(change.lost.expelled)).toEqual([1, 3])
    expect([...held.all()].map((owned) => owned.epoch)).toEqual([1, 5, 6])
  })

  test('one that was begun again meanwhile is not put back', () => {
    const held = positions()
    const [before] = held.assign(at(0), generation(1)).added as [Owned]
    before.started = true
    held.renew(before)
    const change = held.assign(at(0), generation(3), [before])
    expect(change.lost.expelled.map((owned) => owned.epoch)).toEqual([2])
    expect(change.added.map((owned) => owned.epoch)).toEqual([3])
  })

  test('one that is begun again is claimed again, and its commits are counted from there', () => {
    const held = positions()
    const [before] = held.assign(at(0), generation(1)).added as [Owned]
    Object.assign(before, { isClaimed: true, commits: 4 })
    expect(held.renew(before)).toMatchObject({ epoch: 2, isClaimed: false, commits: 0 })
  })

  test('nothing is doubtful in the next generation, under another member id, or before the first', () => {
    const held = positions()
    expect(held.doubtful(generation(7))).toEqual([])
    for (const owned of held.assign(at(0), generation(7)).added) owned.started = true
    expect(held.doubtful(generation(8))).toEqual([])
    expect(held.doubtful(generation(9, 'me again'))).toEqual([])
  })

  test('claims are what is held, under the generation that gave it', () => {
    const held = positions()
    expect(held.metadata).toEqual({ generation: -1, owned: [], transactionalId: 'my-id' })
    held.assign(at(0, 1), generation(4))
    held.assign(at(1, 2), generation(5))
    expect(held.metadata.generation).toBe(5)
    expect(numbers(held.metadata.owned)).toEqual([1, 2])
  })
})
