import { beforeEach, expect, test } from 'vitest'
import { AtLeastOnce, CommitGate } from '../../src/connect/kafka/group/committing.ts'
import type { GroupOffsets } from '../../src/connect/kafka/group/group-offsets.ts'
import { Positions } from '../../src/connect/kafka/group/positions.ts'
import type { KafkaWriter } from '../../src/connect/kafka/produce/producer.ts'
import type { Generation, PartitionOffset } from '../../src/connect/kafka/wire/groups.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'
import { record } from './listener.ts'

// When offsets follow their outputs at least once, without a broker.

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

/** A member of two partitions, and the broker that it asks, which takes 5 ms for an answer. */
class Meeting {
  /** Requests and their outcomes: `outputs 1`, `done`, `offsets 0:7,1:3`, `failed` … */
  readonly asked: string[] = []
  readonly #gate = new CommitGate('g', Number.POSITIVE_INFINITY, clock)
  readonly #positions: Positions
  readonly #committing: AtLeastOnce
  #generationId = 0
  #failures = 0

  constructor() {
    let epoch = 0
    this.#positions = new Positions(() => ++epoch)
    const around = {
      group: 'g',
      clock,
      offsets: this as unknown as GroupOffsets,
      gate: this.#gate,
      positions: this.#positions,
      isOver: () => false,
      checkName: () => Promise.resolve(),
      joinAgain: () => {},
    }
    this.#committing = new AtLeastOnce(around, this as unknown as KafkaWriter)
    this.assign(0, 1)
  }

  /** The group rebalances. */
  assign(...partitions: number[]): void {
    const generation = { generationId: ++this.#generationId, memberId: 'me' }
    const owned = partitions.map((partition) => ({ topic: 't', partition }))
    this.#positions.assign(owned, generation)
    this.#gate.open(generation)
  }

  /** Makes ready for JoinGroup. */
  close(): Promise<void> {
    return this.#gate.drain((generation) => this.#committing.finish(generation))
  }

  /** Makes the next `times` requests fail. */
  fail(times: number): void {
    this.#failures = times
  }

  /** An output, after which the partition has come so far. */
  output(partition: number, nextOffset: number): Promise<void> {
    const { epoch = 0 } = this.#positions.get({ topic: 't', partition }) ?? {}
    const nextOffsets = [{ topic: 't', partition, epoch, nextOffset, metadata: '' }]
    return this.#committing.commit({ outputs: [record('out')], deadLetters: [], nextOffsets })
  }

  /** Stands in for the writer. */
  write(records: readonly unknown[]): Promise<void> {
    return this.#answer(`outputs ${records.length}`)
  }

  /** Stands in for the group's offsets. */
  async commit(_: Generation, offsets: readonly PartitionOffset[]): Promise<void> {
    const text = offsets.map(({ partition, offset }) => `${partition}:${offset}`).join()
    if (text !== '') await this.#answer(`offsets ${text}`)
  }

  async #answer(what: string): Promise<void> {
    this.asked.push(what)
    await clock.sleep(5)
    const hasFailed = this.#failures-- > 0
    this.asked.push(hasFailed ? 'failed' : 'done')
    if (hasFailed) throw new TidemarkError('BROKER_UNAVAILABLE', 'gone')
  }
}

/** Outputs, one after the other, each 20 ms after the one before. */
async function outputs(meeting: Meeting, ...all: [partition: number, nextOffset: number][]) {
  for (const [partition, nextOffset] of all) {
    const done = meeting.output(partition, nextOffset)
    await clock.pass(20)
    await done
  }
}

const OUTPUT = ['outputs 1', 'done']

test('the first offset goes out with its output, those of the next 100 ms together', async () => {
  const meeting = new Meeting()
  await outputs(meeting, [0, 1], [0, 2], [1, 5], [0, 3])
  expect(meeting.asked).toEqual([...OUTPUT, 'offsets 0:1', 'done', ...OUTPUT, ...OUTPUT, ...OUTPUT])
  await clock.pass(100)
  expect(meeting.asked.slice(8)).toEqual([...OUTPUT, 'offsets 0:3,1:5', 'done'])
  await clock.pass(10_000)
  expect(meeting.asked).toHaveLength(12)
})

test('while outputs keep coming, offsets go out every 100 ms', async () => {
  const meeting = new Meeting()
  await outputs(meeting, ...Array.from({ length: 50 }, (_, i): [number, number] => [0, i + 1]))
  const offsets = meeting.asked.filter((line) => line.startsWith('offsets'))
  expect(offsets).toHaveLength(10)
})

test('offsets that fail while nothing follows are tried again until they are taken', async () => {
  const meeting = new Meeting()
  await outputs(meeting, [0, 1], [0, 2])
  meeting.fail(2)
  await clock.pass(400)
  const failed = ['offsets 0:2', 'failed']
  expect(meeting.asked.slice(6)).toEqual([...failed, ...failed, 'offsets 0:2', 'done'])
})

test('an output waits for the offsets before it, so that two of them are never on their way', async () => {
  const meeting = new Meeting()
  await outputs(meeting, [0, 1], [0, 2])
  meeting.fail(1)
  await clock.pass(87)
  expect(meeting.asked.slice(6)).toEqual(['offsets 0:2'])
  const next = meeting.output(0, 3)
  await clock.pass(400)
  await next
  expect(meeting.asked.slice(7)).toEqual(['failed', ...OUTPUT, 'offsets 0:3', 'done'])
})

test('a commit whose offsets fail fails, and they go with the next one', async () => {
  const meeting = new Meeting()
  const first = meeting.output(0, 1)
  await clock.pass(6)
  meeting.fail(1)
  const failing = thrownBy(first)
  await clock.pass(100)
  expect((await failing).code).toBe('BROKER_UNAVAILABLE')
  await outputs(meeting, [1, 5])
  expect(meeting.asked.slice(4)).toEqual([...OUTPUT, 'offsets 0:1,1:5', 'done'])
})

test('before the group rebalances they go out; of a partition that is lost they never do', async () => {
  const meeting = new Meeting()
  await outputs(meeting, [0, 1], [0, 2], [1, 5])
  const closed = meeting.close()
  await clock.pass(10)
  await closed
  expect(meeting.asked.slice(8)).toEqual(['offsets 0:2,1:5', 'done'])
  meeting.assign(0, 1)
  await outputs(meeting, [0, 3], [1, 6])
  meeting.assign(1)
  await clock.pass(100)
  expect(meeting.asked.slice(10)).toEqual([...OUTPUT, ...OUTPUT, 'offsets 1:6', 'done'])
})
