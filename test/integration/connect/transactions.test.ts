import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { record } from '../../connect/listener.ts'
import { API, type Exchange } from '../../services/faulty-wire.ts'
import { LONG_SESSION_MS } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { rawLog } from '../../services/raw-log.ts'
import { thrownBy } from '../../support/thrown.ts'
import { commitUntilTaken, expectNoneOpen, transacting } from './transacting.ts'

// Exactly once on a real broker, over a wire that fails: what is published is judged by the raw
// log.

/** How often the driver asks for the end of a transaction before it finds out by other means. */
const END_ATTEMPTS = 3
/** How long the driver lets a transaction be open; then the broker ends it by itself. */
const OPEN_MS = 10_000

const COPIES = fileURLToPath(new URL('./copies-until-killed.mjs', import.meta.url))

const times = <T>(count: number, work: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => work(i))

describe('a transaction of which an answer is lost', () => {
  ownKafkaTest('is committed once when only the answer to its end was lost', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    set.wire.loseReply(API.endTxn)
    await member.commit(set.commitOf(heard, 2))
    await member.commit(set.commitOf(heard, 3))
    expect(await set.published()).toEqual(['0/1', '0/2', '0/3'])
    await set.reaches(3)
    await expectNoneOpen(set)
  })

  ownKafkaTest('is known to be committed when no answer to its end ever comes', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    times(END_ATTEMPTS, () => set.wire.loseReply(API.endTxn))
    await member.commit(set.commitOf(heard, 2))
    await member.commit(set.commitOf(heard, 3))
    expect(await set.published()).toEqual(['0/1', '0/2', '0/3'])
    await expectNoneOpen(set)
  })

  for (const nextOffset of [2, 1]) {
    const moves = nextOffset === 1 ? 'stays where it was' : 'moves'
    ownKafkaTest(
      `is known not to be committed when its end never came, though its offset ${moves}`,
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join()
        await member.commit(set.commitOf(heard, 1))
        times(END_ATTEMPTS, () => set.wire.cut(API.endTxn))
        const commit = set.commitOf(heard, nextOffset)
        expect((await thrownBy(member.commit(commit))).code).toBe('COMMIT_FAILED')
        expect(await set.published()).toEqual(['0/1'])
        await member.commit(commit)
        expect(await set.published()).toEqual(['0/1', `0/${nextOffset}`])
        await expectNoneOpen(set)
      },
    )
  }

  ownKafkaTest('that stays where it was is known to be committed', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    times(END_ATTEMPTS, () => set.wire.loseReply(API.endTxn))
    await member.commit(set.commitOf(heard, 1))
    expect(await set.published()).toEqual(['0/1', '0/1'])
  })

  for (const [api, name] of [
    [API.produce, 'Produce'],
    [API.txnOffsetCommit, 'TxnOffsetCommit'],
    [API.initProducerId, 'InitProducerId'],
    [API.offsetCommit, 'the claim'],
  ] as const) {
    ownKafkaTest(
      `is sent again until it is committed once when an answer to ${name} is lost`,
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join()
        set.wire.loseReply(api)
        await commitUntilTaken(member, () => set.commitOf(heard, 1))
        set.wire.cut(api)
        await commitUntilTaken(member, () => set.commitOf(heard, 2))
        expect(await set.published()).toEqual(['0/1', '0/2'])
        await expectNoneOpen(set)
      },
    )
  }
})

describe('records that are written beside transactions', () => {
  ownKafkaTest('records are there once, also those that come after a retry', async (kafka) => {
    const set = await transacting(kafka)
    const records = new KafkaRecords({ brokers: set.wire.brokers })
    onTestFinished(() => records.close())
    const writer = records.writer()
    const write = (value: string) =>
      writer.write([record(set.outputs, { value: Buffer.from(value) })])
    await write('1')
    set.wire.loseReply(API.produce)
    await write('2')
    await write('3')
    expect(await set.published()).toEqual(['1', '2', '3'])
  })
})

describe('the order of things', () => {
  ownKafkaTest(
    'a partition is claimed before the first transaction, never in one',
    async (kafka) => {
      const set = await transacting(kafka, 2)
      const { member, heard } = await set.join()
      for (const [partition, offset] of [
        [0, 1],
        [0, 2],
        [1, 1],
        [1, 2],
      ] as const) {
        await member.commit(set.commitOf(heard, offset, partition))
      }
      const calls = set.wire.passed.map(({ api }) => api)
      // A Produce may come again: the broker may still be ending the transaction before.
      const told = calls
        .filter((api) => [API.offsetCommit, API.produce, API.endTxn].includes(api as 0))
        .filter((api, i, all) => api !== API.produce || all[i - 1] !== api)
      const transaction = [API.produce, API.endTxn]
      const claimed = [API.offsetCommit, ...transaction, ...transaction]
      expect(told).toEqual([...claimed, ...claimed])
    },
  )

  ownKafkaTest(
    'offsets go when the outputs are acknowledged, the end when the offsets are, and the next begins 5 ms later',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      const order = [API.produce, API.txnOffsetCommit, API.endTxn]
      const held = order.slice(0, 2).map((api) => set.wire.holdReply(api))
      const committing = member.commit(set.commitOf(heard, 1))
      for (const [i, { happened, release }] of held.entries()) {
        await happened
        expect(order.slice(i + 1).flatMap((api) => set.wire.passedOf(api))).toEqual([])
        release()
      }
      await committing
      await member.commit(set.commitOf(heard, 2))
      const [end] = set.wire.passedOf(API.endTxn)
      const isAfter = ({ forwardedMs }: Exchange) => (forwardedMs ?? 0) > (end?.forwardedMs ?? 0)
      const next = set.wire.passedOf(API.produce).find(isAfter)
      expect((next?.forwardedMs ?? 0) - (end?.answeredMs ?? 0)).toBeGreaterThanOrEqual(5)
    },
  )
})

describe('a member whose place in the group has passed', () => {
  ownKafkaTest('publishes nothing under a generation that has passed', async (kafka) => {
    const set = await transacting(kafka, 2)
    const one = await set.join()
    const held = set.wire.hold(API.txnOffsetCommit)
    const late = thrownBy(one.member.commit(set.commitOf(one.heard, 1)))
    await held.happened
    // It joins again, and the other waits for that, when the commit in flight has been waited for
    // in vain.
    const other = await set.join({ brokers: kafka.service.brokers })
    held.release()
    expect((await late).code).toBe('REBALANCING')
    expect(await set.published()).toEqual([])
    const kept = one.heard.losses[0]?.partition === 0 ? 1 : 0
    const owner = kept === 0 ? one : other
    await commitUntilTaken(owner.member, () => set.commitOf(owner.heard, 1))
    expect(await set.published()).toEqual(['0/1'])
    await expectNoneOpen(set)
  })

  ownKafkaTest(
    'that the group does not know any more publishes nothing, and comes back',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      const held = set.wire.hold(API.txnOffsetCommit)
      const late = thrownBy(member.commit(set.commitOf(heard, 1)))
      await held.happened
      const [id = ''] = await set.memberIds()
      await set.expel(id)
      held.release()
      expect(['COMMIT_FAILED', 'REBALANCING', 'FENCED']).toContain((await late).code)
      expect(await set.published()).toEqual([])
      await heard.until(() => heard.assignments.length === 2)
      expect(heard.whys).toEqual(['expelled'])
      await commitUntilTaken(member, () => set.commitOf(heard, 1))
      expect(await set.published()).toEqual(['0/1'])
      await expectNoneOpen(set)
    },
  )

  ownKafkaTest(
    'and that was away while another took over publishes nothing of what it still holds',
    async (kafka) => {
      const set = await transacting(kafka)
      const one = await set.join()
      await one.member.commit(set.commitOf(one.heard, 1))
      const other = set.join({ brokers: kafka.service.brokers })
      // A process that stands still, in the middle of a transaction: its requests go out when it
      // is awake again.
      const held = set.wire.hold(API.endTxn)
      const zombie = thrownBy(one.member.commit(set.commitOf(one.heard, 2)))
      await held.happened
      const wakeUp = set.wire.node(1).hang()
      const { member, heard } = await other
      await heard.until(() => heard.assignments.length === 1)
      expect(heard.assignment()).toMatchObject({ nextOffset: 1, metadata: 'note 1' })
      await member.commit(set.commitOf(heard, 2))
      wakeUp()
      held.release()
      expect(['COMMIT_FAILED', 'REBALANCING', 'FENCED']).toContain((await zombie).code)
      expect(await set.published()).toEqual(['0/1', '0/2'])
      await expectNoneOpen(set)
    },
  )

  ownKafkaTest('and whose process was stopped publishes nothing when it goes on', async (kafka) => {
    const set = await transacting(kafka)
    const [broker = ''] = kafka.service.brokers
    const args = ['--import', 'tsx', COPIES, broker, set.group, set.topic, set.outputs]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const said: string[] = []
    child.stdout.on('data', (bytes) => said.push(...String(bytes).trim().split('\n')))
    while (said.length < 3) await once(child.stdout, 'data')
    child.kill('SIGSTOP')
    const { member, heard } = await set.join({ brokers: kafka.service.brokers })
    await heard.until(() => heard.assignments.length === 1)
    const { nextOffset } = heard.assignment()
    for (let offset = nextOffset + 1; offset <= 10; offset++) {
      await commitUntilTaken(member, () => set.commitOf(heard, offset))
    }
    child.kill('SIGCONT')
    child.stdin.end('go on')
    await once(child, 'exit')
    expect(['COMMIT_FAILED', 'REBALANCING', 'FENCED']).toContain(said.at(-1))
    expect(await set.published()).toEqual(times(10, (i) => `0/${i + 1}`))
    await expectNoneOpen(set)
  })

  ownKafkaTest(
    'leaves a transaction open that the next owner ends before the broker does, though it holds no offset',
    async (kafka) => {
      const set = await transacting(kafka)
      const one = await set.join()
      await one.member.commit(set.commitOf(one.heard, 1))
      const held = set.wire.hold(API.txnOffsetCommit)
      const beforeOpenMs = performance.now()
      void one.member.commit(set.commitOf(one.heard, 2)).catch(() => {})
      await held.happened
      while (
        (await rawLog(kafka.service, { topic: set.outputs, partition: 0 }, 'readUncommitted'))
          .batches.length < 3
      );
      // Dead: nothing of it comes any more, and the group gives its partitions away.
      await set.wire.node(1).down()
      const [id = ''] = await set.memberIds()
      await set.expel(id)
      const { member, heard } = await set.join({ brokers: kafka.service.brokers })
      await member.commit(set.commitOf(heard, 2))
      while ((await set.published()).length < 2);
      const { lastStableOffset, highWatermark } = await rawLog(
        kafka.service,
        { topic: set.outputs, partition: 0 },
        'readCommitted',
      )
      expect(lastStableOffset).toBe(highWatermark)
      expect(performance.now() - beforeOpenMs).toBeLessThan(OPEN_MS)
      expect(await set.published()).toEqual(['0/1', '0/2'])
      await set.wire.node(1).up()
    },
  )

  ownKafkaTest(
    'has a transaction on its way that is waited for by the next owner',
    async (kafka) => {
      const set = await transacting(kafka, 2)
      const one = await set.join()
      const held = set.wire.hold(API.endTxn)
      const committing = one.member.commit({
        ...set.commitOf(one.heard, 1),
        nextOffsets: [0, 1].flatMap((p) => set.commitOf(one.heard, 1, p).nextOffsets),
      })
      await held.happened
      const other = set.join({ brokers: kafka.service.brokers })
      // The other has been assigned a partition, and still knows no offset of it.
      await one.heard.until(() => one.heard.losses.length === 1)
      held.release()
      await committing
      const { heard } = await other
      expect(heard.assignments).toMatchObject([{ nextOffset: 1, metadata: 'note 1' }])
    },
  )

  ownKafkaTest('is replaced at once by one of the same name', async (kafka) => {
    const set = await transacting(kafka)
    const one = await set.join({ workerName: 'w1', sessionTimeoutMs: LONG_SESSION_MS })
    const held = set.wire.hold(API.endTxn)
    void one.member.commit(set.commitOf(one.heard, 1)).catch(() => {})
    await held.happened
    await set.wire.node(1).down()
    const named = { workerName: 'w1', brokers: kafka.service.brokers }
    const second = await set.join(named)
    await second.member.commit(set.commitOf(second.heard, 1))
    expect(await set.published()).toEqual(['0/1'])
    // Whoever is replaced while it lives learns that its name is another's by now.
    const third = await set.join(named)
    expect(await second.heard.fails()).toMatchObject({ code: 'WORKER_NAME_TAKEN' })
    await third.member.commit(set.commitOf(third.heard, 2))
    await expectNoneOpen(set)
  })
})

describe('a broker that goes away in the middle', () => {
  ownKafkaTest('and comes back: the transaction is committed once', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    const held = set.wire.hold(API.endTxn)
    const committing = commitUntilTaken(member, () => set.commitOf(heard, 2))
    await held.happened
    kafka.node(1).halt()
    await kafka.node(1).restart()
    held.release()
    await committing
    await commitUntilTaken(member, () => set.commitOf(heard, 3))
    expect(await set.published()).toEqual(['0/1', '0/2', '0/3'])
    await expectNoneOpen(set)
  })
})
