import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { applyPlan, type OffsetChange, planOffsets } from '../../src/jobs/offsets.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { withTopics } from '../../src/topology/graph.ts'
import { sums, worker } from '../runtime/memory-workers.ts'
import { START_MS } from '../runtime/support.ts'
import { until } from '../services/cluster.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
} from '../services/kafka.ts'
import { addPartitions } from '../services/operator.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { createTopics } from '../services/topics.ts'
import { headerOf } from '../support/headers.ts'

// Offsets that an operator sets with `tidemark offsets`. An event a second, windows of 10 s.

async function place(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const [events, results, group] = [freshName('events'), freshName('results'), freshName('group')]
  const dead = `${events}.dlq`
  await createTopics(
    kafka,
    records,
    [events, results, dead].map((name) => ({ name, partitions: 1 })),
  )
  const names = new Map([
    ['events', events],
    ['sums', results],
    ['events.dlq', dead],
  ])
  const mended = withTopics(sums('sums'), names)
  const writer = records.writer()
  const send = (from: number, to: number) =>
    writer.write(Array.from({ length: to - from }, (_, i) => event(events, from + i)))
  /** Works until all is committed. @returns how many events it has read, and not only replayed */
  const work = async (definition: Definition, name = group) => {
    const its = new KafkaRecords(plainOptions(kafka))
    const { worker: started, watch } = await worker(its, [definition], { group: name })
    await until('all committed', async () => {
      const offsets = await records.offsets(name, events)
      return offsets.every(({ committed, endOffset }) => (committed?.nextOffset ?? 0) === endOffset)
    })
    await started.stop()
    return watch.of('consumed').reduce((sum, each) => sum + each.records, 0)
  }
  const outputs = async () =>
    (await readTopic(records, results)).map((record) => {
      const { n, sum } = JSON.parse(String(record.value)) as { n: number; sum: number }
      const isWarming = headerOf(record, 'tidemark-warming') === 'true'
      return { id: headerOf(record, 'tidemark-id'), n, sum, isWarming }
    })
  const change = async (definition: Definition, asked: OffsetChange) => {
    const job = { definition, group, records }
    const plan = await planOffsets(job, asked)
    await applyPlan(job, plan)
    return plan.moves.reduce((sum, move) => sum + move.scoredAgain, 0)
  }
  const close = async () => {
    await writer.close()
    await records.close()
  }
  return { ...{ records, events, group, mended, send, work, outputs, change, close } }
}

function event(topic: string, second: number): NewRecord {
  const at = START_MS + second * 1_000
  const value = Buffer.from(JSON.stringify({ key: 'a', at, amount: second }))
  return { topic, partition: null, key: Buffer.from('a'), value, timestampMs: at, headers: [] }
}

/** Each amount is 1 too high. */
function faulty(mended: Definition): Definition {
  const [step, ...others] = mended.then
  const columns = { amount: ({ amount }: { amount: number }) => amount + 1 }
  return { ...mended, then: [{ ...step, columns } as never, ...others] }
}

kafkaTest(
  'after a mended function a reset gives what a run without the fault gives, and scores what the plan says',
  async (kafka) => {
    const { mended, send, work, outputs, change, close } = await place(kafka)
    await send(0, 100)
    await work(faulty(mended))
    const wrong = await outputs()
    const again = await change(mended, { reset: { timeMs: START_MS + 45_000 }, partitions: null })
    expect(await work(mended)).toBe(again)
    const repaired = (await outputs()).slice(wrong.length)
    const pristine = await place(kafka)
    await pristine.send(0, 100)
    await pristine.work(pristine.mended)
    const right = await pristine.outputs()
    expect(wrong.map(({ n }) => n)).toEqual(right.map(({ n }) => n))
    expect(wrong.map(({ sum }) => sum)).not.toEqual(right.map(({ sum }) => sum))
    // The window from 40 s on, which was open at the offset, is the first one.
    expect([again, repaired.map(({ n, sum }) => ({ n, sum }))]).toEqual([
      55,
      right.slice(4).map(({ n, sum }) => ({ n, sum })),
    ])
    expect(repaired.map(({ id }) => id)).toEqual(wrong.slice(4).map(({ id }) => id))
    await pristine.close()
    await close()
  },
)

kafkaTest(
  'after partitions were added a copy scores nothing again that was committed',
  async (kafka) => {
    const { records, events, mended, send, work, change, close } = await place(kafka)
    await send(0, 50)
    await work(mended)
    await addPartitions(kafka, events, 3)
    await send(50, 80)
    const copied = freshName('group')
    expect(await change(mended, { copy: copied })).toBe(0)
    expect(await work(mended, copied)).toBe(30)
    expect(
      (await records.offsets(copied, events)).map(({ committed }) => committed !== null),
    ).toEqual([true, true, true])
    await close()
  },
)

ownKafkaTest('behind a damaged batch a skip lets the worker go on, once', async (kafka) => {
  const [{ dir }] = kafka.nodes as [OwnKafka['nodes'][number]]
  const { records, events, group, mended, send, work, outputs, change, close } = await place(
    kafka.service,
  )
  await send(0, 25)
  await work(mended)
  const before = await outputs()
  await send(25, 30)
  await send(30, 35)
  await send(35, 60)
  damage(join(dir, 'data', `${events}-0`, `${'0'.repeat(20)}.log`), 2)
  const its = new KafkaRecords(plainOptions(kafka.service))
  const { worker: ended } = await worker(its, [mended], { group })
  await expect(ended.done).rejects.toMatchObject({
    code: 'BATCH_CORRUPT',
    where: `${events}-0@30`,
    hint: expect.stringContaining('tidemark offsets skip FILE 0/34') as unknown,
  })
  await its.close()
  for (const offset of [29, 35]) {
    await expect(change(mended, { skip: { partition: 0, offset } })).rejects.toThrow('not damaged')
  }
  await change(mended, { skip: { partition: 0, offset: 34 } })
  expect((await records.offsets(group, events))[0]?.committed?.nextOffset).toBe(35)
  expect(await work(mended)).toBe(25)
  expect((await outputs()).slice(before.length)).toMatchObject([
    { n: 5, isWarming: true },
    { n: 10, isWarming: true },
  ])
  await close()
})

/** Changes one bit of the nth batch of a file of the log. */
function damage(file: string, nth: number): void {
  const bytes = readFileSync(file)
  let at = 0
  for (let i = 0; i < nth; i++) at += 12 + bytes.readInt32BE(at + 8)
  bytes.writeUInt8(bytes.readUInt8(at + 100) ^ 1, at + 100)
  writeFileSync(file, bytes)
}

kafkaTest(
  'with a member the command is refused with exit 3 and names it; without, it does what it says',
  async (kafka) => {
    const { records, events, group, mended, send, work, close } = await place(kafka)
    await send(0, 20)
    await work(mended)
    const shared = [
      '--group',
      group,
      '--topic',
      `payments=${events}`,
      '--brokers',
      kafka.brokers[0],
    ]
    const run = (...args: readonly string[]) =>
      tidemark([
        'offsets',
        args[0] as string,
        'topologies/card-fraud.ts',
        ...args.slice(1),
        ...(shared as string[]),
      ])
    const committed = async () => (await records.offsets(group, events))[0]?.committed?.nextOffset
    // The notes are those of another topology.
    const foreign = await run('reset', '--to', 'earliest')
    expect([foreign.code, foreign.stderr]).toEqual([
      3,
      expect.stringContaining('not of "card-fraud"'),
    ])
    await records.setOffsets(group, [{ topic: events, partition: 0, nextOffset: 20, metadata: '' }])
    const none = () => {}
    const handlers = {
      ...{ assigned: () => 20, lost: none, chunk: none, caughtUp: none },
      ...{ unreadable: none, throttled: none, failed: none },
    }
    const member = await records.join({ group, topics: [events], from: 'latest', handlers })
    const refused = await run('reset', '--to', 'earliest', '--execute')
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringMatching(/GROUP_ACTIVE {2}the group has members: .+ \(127\.0\.0\.1\)/),
    ])
    expect(await committed()).toBe(20)
    await member.leave()
    const planned = await run('reset', '--to', '-1m')
    expect([planned.code, planned.stderr]).toEqual([
      0,
      expect.stringContaining('nothing is changed: add --execute'),
    ])
    expect(await committed()).toBe(20)
    const done = await run('reset', '--to', '5', '--execute')
    expect([done.code, done.stdout]).toEqual([
      0,
      expect.stringContaining('15 scored again; at most 5 read for windows first'),
    ])
    expect(await committed()).toBe(5)
    const intact = await run('skip', '0/7', '--execute')
    expect([intact.code, intact.stderr]).toEqual([3, expect.stringContaining('is not damaged')])
    expect((await run('copy', '--to-group', `${group}-2`, '--execute')).code).toBe(0)
    expect((await records.offsets(`${group}-2`, events))[0]?.committed?.nextOffset).toBe(
      await committed(),
    )
    expect((await run('show')).stdout).toContain('windows from')
    const shown = await run('show', '--json')
    expect(JSON.parse(shown.stdout)).toMatchObject([{ partition: 0, committed: { nextOffset: 5 } }])
    await close()
  },
)
