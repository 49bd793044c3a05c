import { expect, test } from 'vitest'
import { describeStatus } from '../../src/cli/status.ts'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { readGroupStatus } from '../../src/jobs/group-status.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { type NumberedStatus, STARTING, type TroubleStatus } from '../../src/observe/status.ts'
import type { TroubleKind } from '../../src/runtime/troubles.ts'
import { sums } from '../runtime/memory-workers.ts'
import { deadAddress } from '../services/dead-address.ts'
import { serving } from '../services/http-server.ts'

const GROUP = 'g'
const NOW_MS = Date.UTC(2026, 0, 1)
const HANDLERS = {
  ...{ assigned: () => 0, lost: () => {}, chunk: () => {}, caughtUp: () => {} },
  ...{ unreadable: () => {}, throttled: () => {}, failed: () => {} },
}

function topics(): MemoryRecords {
  const records = new MemoryRecords()
  for (const topic of ['events', 'sums', 'events.dlq'])
    records.createTopic(topic, { partitions: 3 })
  return records
}

function statusOf(records: MemoryRecords, urls: readonly URL[] = [], token: string | null = null) {
  return readGroupStatus({ group: GROUP, definitions: [sums('a')], records, urls, token })
}

const join = (records: MemoryRecords) =>
  records.join({ group: GROUP, topics: ['events'], from: 'earliest', handlers: HANDLERS })

const answering = (body: string) => serving((_, response) => response.end(body))

test('a group that works has no problem; partitions have owner, offsets and lag, the longest first', async () => {
  const records = topics()
  await join(records)
  records.produce(Array.from({ length: 5 }, () => ({ ...RECORD, partition: 1 })))
  records.resetOffset(GROUP, { topic: 'events', partition: 1 }, { nextOffset: 2, metadata: '' })
  // What was read is no loss.
  records.deleteBefore({ topic: 'events', partition: 1, offset: 2 })
  const { problems, members, partitions } = await statusOf(records)
  expect([problems, members]).toMatchObject([[], [{ partitions: 3 }]])
  expect(partitions).toMatchObject({ count: 3, lag: 3 })
  expect(partitions?.worst[0]).toMatchObject({ name: 'events-1', committed: 2, end: 5, lag: 3 })
  expect(partitions?.worst.every(({ owner }) => owner !== null)).toBe(true)
})

const RECORD = {
  ...{ topic: 'events', key: null, value: Buffer.from('{}'), timestampMs: 0, headers: [] },
}

test('no member, a missing topic, a partition without owner, and deleted records are problems', async () => {
  const records = topics()
  expect((await statusOf(records)).problems).toMatchObject([{ reason: 'the group: has no member' }])
  await join(records)
  records.resetOffset(GROUP, { topic: 'events', partition: 1 }, { nextOffset: 1, metadata: '' })
  records.produce(Array.from({ length: 5 }, () => ({ ...RECORD, partition: 1 })))
  records.deleteBefore({ topic: 'events', partition: 1, offset: 3 })
  records.deleteTopic('events.dlq')
  const all = await records.members(GROUP)
  records.members = async () => {
    return all.map((member) => ({ ...member, partitions: member.partitions.slice(1) }))
  }
  const problem = (kind: TroubleKind, reason: string) => {
    return { kind, reason, section: `docs/runbook.md#${kind}` }
  }
  expect((await statusOf(records)).problems).toEqual([
    problem('unreadable', 'events.dlq: the topic does not exist'),
    problem('unreadable', 'events-1: records were deleted before they were read'),
    problem('rebalance', 'events-0: no member owns it'),
  ])
})

test('what a worker says comes with what Kafka says, also when Kafka is away', async () => {
  const worker: NumberedStatus = {
    ...{ ...STARTING, worker: null, state: 'unavailable', since: '2025-12-31T23:56:00.000Z' },
    troubles: { count: 1, worst: [TROUBLE] },
  }
  const url = await serving((request, response) => {
    const isAllowed = request.headers.authorization === 'Bearer secret'
    response.statusCode = isAllowed ? 200 : 401
    response.end(JSON.stringify({ workers: [worker] }))
  })
  const records = topics()
  records.members = async () => {
    throw new TidemarkError('BROKER_UNAVAILABLE', 'no broker answers')
  }
  const found = await statusOf(records, [url], 'secret')
  expect(found.workers).toEqual([{ url: url.host, ...worker }])
  expect(found.unanswered).toEqual([
    { url: 'Kafka', fault: 'BROKER_UNAVAILABLE  no broker answers' },
  ])
  expect(describeStatus(found, NOW_MS)).toContain(
    `payments-3 for 4 min: MODEL_FAILING the model can score no event: they wait (${url.host})  →  docs/runbook.md#model`,
  )
  expect((await statusOf(topics(), [url])).unanswered).toEqual([
    { url: url.host, fault: 'it answers 401' },
  ])
})

const TROUBLE = {
  ...{ kind: 'model', effect: 'waits', code: 'MODEL_FAILING', partition: 'payments-3' },
  ...{ since: '2025-12-31T23:56:00.000Z', endsWithinS: 30, section: 'runbook.md#model' },
  reason: 'the model can score no event: they wait',
} as const satisfies TroubleStatus

test('the troubles of all workers are shown in the order of the table', async () => {
  const of = (kind: 'shadow' | 'commit') => ({
    ...{ ...STARTING, worker: 1 },
    troubles: { count: 1, worst: [{ ...TROUBLE, kind, reason: `${kind} reason` }] },
  })
  const url = await answering(JSON.stringify({ workers: [of('shadow'), of('commit')] }))
  const lines = describeStatus(await statusOf(topics(), [url]), NOW_MS).split('\n')
  const shown = lines.filter((line) => line.includes('reason'))
  expect(shown.map((line) => /(\w+) reason/.exec(line)?.[1])).toEqual(['commit', 'shadow'])
})

test.each([
  ['is not JSON', 'hello'],
  ['is of something else', '{"workers":[{"state":"running"}]}'],
  ['is a list', '[]'],
  [
    'has rows that are no objects',
    '{"workers":[{"state":"x","troubles":{"worst":[1]},"partitions":{"worst":[]},"topologies":[]}]}',
  ],
])('an answer that %s is a finding', async (_, body) => {
  const url = await answering(body)
  expect((await statusOf(topics(), [url])).unanswered).toEqual([
    { url: url.host, fault: 'it does not answer with the status of workers' },
  ])
})

test('a worker that is away, redirects, or sends without end is a finding', async () => {
  const away = new URL(`http://${await deadAddress()}`)
  const redirects = await serving((_, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  })
  const endless = await serving((_, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(2 ** 20, 'x')));
    }
    response.on('drain', more)
    more()
  })
  const { unanswered } = await statusOf(topics(), [away, redirects, endless])
  expect(unanswered.map(({ fault }) => fault)).toEqual([
    expect.stringContaining('ECONNREFUSED'),
    'it redirects to another origin, which is not followed',
    'it answers with more bytes than allowed',
  ])
})

test('names with control characters are escaped, whoever sent them', async () => {
  const evil = '\x1b[2J\u202epayments\n'
  const worker = {
    ...{ ...STARTING, worker: null, state: evil },
    troubles: { count: 1, worst: [{ ...TROUBLE, partition: evil, reason: evil, section: evil }] },
  }
  const url = await answering(JSON.stringify({ workers: [worker] }))
  const text = describeStatus(await statusOf(topics(), [url]), NOW_MS)
  expect(text).toContain('\\u001b[2J\\u202epayments\\u000a')
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
})

test('of 10,000 partitions the worst are shown, and how many there are', async () => {
  const records = new MemoryRecords()
  records.createTopic('events', { partitions: 10_000 })
  records.createTopic('events.dlq', { partitions: 1 })
  await join(records)
  const found = await statusOf(records)
  expect([found.partitions?.count, found.partitions?.worst.length]).toEqual([10_000, 50])
  expect(describeStatus(found, NOW_MS)).toContain('and 9,988 more')
})
