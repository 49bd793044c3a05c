import { expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { Commit, Guarantee, Member } from '../../../src/connect/port.ts'
import { WrittenRecords } from '../../../src/connect/written-records.ts'
import { Slices } from '../../../src/kernel/slices.ts'
import { type Committable, Committer } from '../../../src/runtime/commit/committer.ts'
import { InFlight } from '../../../src/runtime/commit/in-flight.ts'
import { HandClock, longestWaits } from '../../support/clocks.ts'
import { HASH } from '../../support/hash.ts'

interface Made {
  readonly records: number
  readonly outputsOfEach: number
  readonly value: Buffer | null
}

/** A partition with a finished chunk that waits for its commit. */
function finished(partition: number, { records, outputsOfEach, value }: Made): Committable {
  const empty = { key: null, value: null, timestampMs: 0, headers: [] }
  const causes = Array.from({ length: records * outputsOfEach }, (_, i) =>
    Math.floor(i / outputsOfEach),
  )
  const outputs = new WrittenRecords()
  for (const _ of causes) outputs.write({ ...empty, value }, 'scores')
  const inFlight = new InFlight('exactly-once')
  const chunk = inFlight.add({
    records: new ListedRecords(
      Array.from({ length: records }, (_, offset) => ({ ...empty, offset })),
    ),
    nextOffset: records,
    bytes: 0,
    lastRecord: null,
    tasks: 1,
  })
  const deadLetters = { records: new WrittenRecords(), causes: [] }
  chunk.add({ outputs: { records: outputs, causes }, deadLetters })
  const from = { offset: 0, newestMs: 0, idleMs: 0 }
  chunk.done('t', { fingerprint: 'f', from, idleMs: 0, wholeFromMs: Number.NEGATIVE_INFINITY })
  const place = { partition: { topic: 'events', partition }, epoch: 1, metadata: () => '' }
  return { ...place, inFlight }
}

/** A committer at work, the sizes of its commits, and how it is given what is finished. */
function running(guarantee: Guarantee) {
  const clock = new HandClock(0)
  const sizes: number[] = []
  let partitions: readonly Committable[] = []
  const committer = new Committer({
    config: { guarantee, commitIntervalMs: null, maxCommitBytes: 2 ** 24 },
    ...{ clock, random: longestWaits, observer: () => {}, slices: new Slices(() => 0), hash: HASH },
    isUrgent: () => false,
    partitions: () => partitions,
    onCommitted: () => {},
  })
  const commit = async ({ outputs }: Commit) => void sizes.push(outputs.length)
  const done = committer.run({ commit } as unknown as Member)
  const give = (...given: readonly Committable[]) => {
    partitions = given
    committer.nudge()
  }
  const write = async (...given: readonly Committable[]) => {
    give(...given)
    while (!given.every(({ inFlight }) => inFlight.isEmpty)) await clock.pass(10)
  }
  const stop = () => {
    committer.stop()
    return done
  }
  return { clock, sizes, give, write, stop }
}

/** After each of these a commit may have twice as many bytes. */
const FULL = { records: 3, outputsOfEach: 1, value: Buffer.alloc(2 ** 20) }
const MANY = { records: 26, outputsOfEach: 1_000, value: null }

test('a commit takes at most 50,000 records, of all partitions together', async () => {
  const { sizes, write, stop } = running('exactly-once')
  await write(finished(0, FULL))
  await write(finished(0, MANY), finished(1, MANY))
  expect(sizes).toEqual([1, 1, 1, 50_000, 2_000])
  await stop()
})

test.each([
  ['exactly-once', 250],
  ['at-least-once', 100],
] as const)(
  'the pace of commits grows with the load, %s up to %i ms',
  async (guarantee, longestMs) => {
    const { clock, sizes, give, write, stop } = running(guarantee)
    await write(finished(0, FULL))
    // Whatever the pace, it is over then.
    await clock.pass(1_000)
    give(finished(0, MANY))
    while (sizes.at(-1) !== 26_000) await clock.pass(0)
    give(finished(0, { records: 1, outputsOfEach: 1, value: null }))
    await clock.pass(longestMs - 1)
    expect(sizes.at(-1)).toBe(26_000)
    await clock.pass(1)
    expect(sizes.at(-1)).toBe(1)
    await stop()
  },
)
