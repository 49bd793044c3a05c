import { expect } from 'vitest'
import type { Assignment, Loss, Owners, Pausable, TopicPartition } from '../../src/connect/port.ts'
import { partitionName } from '../../src/kernel/ids.ts'
import { thrownBy } from '../support/thrown.ts'
import { type DefineTest, type Driver, numbered } from './driver.ts'
import { Listener } from './listener.ts'

// Who owns the partitions of a group, as its members are told.

/** Knows what it owns, and compares that with what it is told. */
class Owner extends Listener {
  readonly address: string | undefined
  readonly owned = new Set<string>()
  /** What was assigned, or lost, under owners that do not fit. */
  readonly contradicted: string[] = []

  constructor(address: string | undefined) {
    super()
    this.address = address
  }

  get latest(): Owners {
    return this.told.at(-1) ?? new Map()
  }

  override assigned(assignment: Assignment, pausable: Pausable): number {
    const name = partitionName(assignment)
    if (this.latest.get(name) !== this.address) this.contradicted.push(`assigned ${name}`)
    this.owned.add(name)
    return super.assigned(assignment, pausable)
  }

  override lost(partitions: readonly TopicPartition[], why: Loss): void {
    for (const name of partitions.map(partitionName)) {
      if (this.latest.size > 0) this.contradicted.push(`lost ${name}`)
      this.owned.delete(name)
    }
    super.lost(partitions, why)
  }
}

const PARTITIONS = 6

async function meet(driver: Driver) {
  const topic = await driver.createTopic(PARTITIONS)
  const group = driver.freshGroup()
  const join = async (advertise?: string) => {
    const heard = new Owner(advertise)
    const options = { group, topics: [topic], from: 'earliest', handlers: heard } as const
    const member = await driver.records.source.join({
      ...options,
      ...(advertise !== undefined && { advertise }),
    })
    return { member, heard }
  }
  return { join, group, topic }
}

/** Waits until each has its share, and expects that they agree about everyone's. */
async function expectAgreed(...all: readonly Owner[]): Promise<void> {
  const share = PARTITIONS / all.length
  for (const heard of all) {
    await heard.until(() => heard.owned.size === share && heard.latest.size === PARTITIONS)
  }
  const actual = all.flatMap(({ owned, address = null }) =>
    [...owned].map((name) => [name, address] as const),
  )
  for (const { latest } of all) expect(latest).toEqual(new Map(actual))
}

export function ownersTests(test: DefineTest): void {
  test('all members are told the address of every owner, also when one joins or leaves', async (driver) => {
    const { join } = await meet(driver)
    const one = await join('one:1')
    await expectAgreed(one.heard)
    const two = await join('ü.example:2')
    await expectAgreed(one.heard, two.heard)
    const three = await join('[::1]:3')
    await expectAgreed(one.heard, two.heard, three.heard)
    await one.member.leave()
    await expectAgreed(two.heard, three.heard)
    await two.member.leave()
    await three.member.leave()
  })

  test('a member that advertises no address owns its partitions without one', async (driver) => {
    const { join } = await meet(driver)
    const silent = await join()
    const one = await join('one:1')
    await expectAgreed(silent.heard, one.heard)
    expect([...one.heard.latest.values()].filter((address) => address === null)).toHaveLength(3)
    await one.member.leave()
    await silent.member.leave()
  })

  test('nothing is told of owners while no one advertises an address', async (driver) => {
    const { join } = await meet(driver)
    const [one, two] = [await join(), await join()]
    await one.heard.until(() => one.heard.losses.length === PARTITIONS / 2)
    await two.heard.until(() => two.heard.assignments.length === PARTITIONS / 2)
    for (const { heard } of [one, two])
      expect(heard.told.every(({ size }) => size === 0)).toBe(true)
    await two.member.leave()
    await one.member.leave()
  })

  test('owners are told before partitions are assigned, and taken back before any is lost', async (driver) => {
    const { join } = await meet(driver)
    const one = await join('one:1')
    const two = await join('two:2')
    await expectAgreed(one.heard, two.heard)
    const three = await join('three:3')
    await expectAgreed(one.heard, two.heard, three.heard)
    await three.member.leave()
    await expectAgreed(one.heard, two.heard)
    for (const { heard } of [one, two, three]) {
      expect(heard.contradicted).toEqual([])
      const sizes = heard.told.map(({ size }) => size)
      expect(sizes.filter((size, i) => size > 0 && (sizes[i - 1] ?? 0) > 0)).toEqual([])
    }
    await two.member.leave()
    await one.member.leave()
  })

  test('a member that has left knows of no owner', async (driver) => {
    const { join } = await meet(driver)
    const { member, heard } = await join('one:1')
    await expectAgreed(heard)
    const leaving = member.leave()
    expect(heard.latest).toEqual(new Map())
    const { length } = heard.told
    await leaving
    expect(heard.told).toHaveLength(length)
  })

  for (const [what, bytes] of [
    ['nothing', 0],
    ['more than 255 bytes', 256],
  ] as const) {
    test(`an address of ${what} is refused`, async (driver) => {
      const { join } = await meet(driver)
      const error = await thrownBy(join('ü'.repeat(bytes / 2)))
      expect(error).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`takes ${bytes} bytes`),
      })
    })
  }

  test('an address of 255 bytes arrives whole', async (driver) => {
    const { join } = await meet(driver)
    const { member, heard } = await join(`${'ü'.repeat(127)}1`)
    await expectAgreed(heard)
    await member.leave()
  })

  test('a member is told why each rebalance begins, and when it is over', async (driver) => {
    const { join } = await meet(driver)
    const one = await join('one:1')
    expect(one.heard.rebalances).toEqual(['joining', null])
    const two = await join('two:2')
    await expectAgreed(one.heard, two.heard)
    expect(one.heard.rebalances).toEqual(['joining', null, 'members', null])
    expect(two.heard.rebalances.filter((cause) => cause === 'joining')).toHaveLength(1)
    await two.member.leave()
    await expectAgreed(one.heard)
    expect(one.heard.rebalances.slice(4, 6)).toEqual(['members', null])
    await one.member.leave()
  })

  test('the members of a group are told with their partitions, also from outside', async (driver) => {
    const { join, group, topic } = await meet(driver)
    expect(await driver.records.members(group)).toEqual([])
    const all = [await join('one:1'), await join('two:2')]
    await expectAgreed(...all.map(({ heard }) => heard))
    const members = await driver.records.members(group)
    const owned = all.map(({ heard }) => [...heard.owned].toSorted())
    expect(members.map(({ partitions }) => partitions.map(partitionName).toSorted())).toEqual(
      expect.arrayContaining(owned),
    )
    expect(new Set(members.flatMap(({ partitions }) => partitions.map((p) => p.topic)))).toEqual(
      new Set([topic]),
    )
    expect(members.every(({ id, clientId, host }) => id && clientId && host)).toBe(true)
    for (const { member } of all) await member.leave()
    expect(await driver.records.members(group)).toEqual([])
  })

  test('offsets of a group are set while it has no members, and only then', async (driver) => {
    const { join, group, topic } = await meet(driver)
    await driver.produce(numbered(topic, 1, 3))
    const set = (nextOffset: number, metadata: string) =>
      driver.records.setOffsets(group, [{ topic, partition: 1, nextOffset, metadata }])
    const committed = async () => (await driver.records.source.offsets(group, topic))[1]?.committed
    await set(2, 'a note')
    expect(await committed()).toEqual({ nextOffset: 2, metadata: 'a note' })
    const { member } = await join()
    await expect(set(1, '')).rejects.toMatchObject({ code: 'GROUP_ACTIVE', where: group })
    expect(await committed()).toEqual({ nextOffset: 2, metadata: 'a note' })
    await member.leave()
    await set(0, '')
    expect(await committed()).toEqual({ nextOffset: 0, metadata: '' })
  })
}
