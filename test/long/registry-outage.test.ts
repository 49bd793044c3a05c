import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { GroupStatusJob } from '../../src/jobs/group-status.ts'
import { PARTITIONS, PaymentVersions } from '../integration/payment-versions.ts'
import { type Answers, RegisteredCards } from '../integration/registered-cards.ts'
import { showsEnd, showsTrouble, workerAlone } from '../integration/status-of-faults.ts'
import { untilState } from '../integration/until-state.ts'
import { until } from '../services/cluster.ts'
import type { KafkaNode } from '../services/from-maven.ts'
import { freshName, type KafkaService, plainOptions, readTopic } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { type RegistryService, startRegistry } from '../services/registry.ts'
import { httpOf } from '../services/tidemark-in-test.ts'
import { feed } from '../soak/feed.ts'

// A registry and a broker that are gone for a while, in turn, while payments keep coming.

/** How long each is gone, beside the time that it takes to start again; a longer run has 60,000. */
const GONE_MS = Number(process.env['TIDEMARK_TEST_GONE_MS'] ?? 1_000)
const PER_SECOND = 500
const FLAGS = ['--http-port', '0', '--session-timeout', '40']
const EVEN = [0, 2, 4]
const ODD = [1, 3, 5]
const ALL = [...EVEN, ...ODD]
/** A malformed payment: a schema id alone. */
const MALFORMED_BYTES = 5

interface Worker {
  readonly cards: RegisteredCards
  readonly http: string
  readonly job: GroupStatusJob
}

ownKafkaTest(
  'a registry and a broker that are gone in turn, under load, cost nothing: each payment is answered once, and as it would have been',
  async ({ service: kafka, node }) => {
    const registry = await startRegistry()
    onTestFinished(registry.stop)
    const topic = freshName('payments')
    await onRecords(kafka, (records) => records.create([{ name: topic, partitions: PARTITIONS }]))
    const versions = await PaymentVersions.in(registry, topic)
    const stopFeed = feedUntilStopped(kafka, topic, versions)
    const cards = await RegisteredCards.on({ kafka, registry }, topic)
    const run = cards.run(...FLAGS)
    const http = await httpOf(run)
    const opened = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => opened.close())
    const worker = { cards, http, job: workerAlone(http, opened) }
    await cards.moves(ALL)
    await withoutRegistry(worker, registry, versions)
    await recovered(worker, 'registry')
    await showsEnd(worker.job, 'schema')
    await withoutBroker(worker, node(1))
    await recovered(worker, 'broker')
    run.process.kill('SIGKILL')
    await run.ended
    const next = cards.run(...FLAGS)
    await cards.moves(ALL)
    await stopFeed()
    const ends = await cards.ends()
    await cards.reaches(ends)
    next.process.kill('SIGTERM')
    expect(await next.ended).toMatchObject({ code: 0, signal: null })

    // Another group, which nothing happens to.
    const undisturbed = await RegisteredCards.on({ kafka, registry }, topic)
    const other = undisturbed.run(...FLAGS)
    await undisturbed.reaches(ends)
    other.process.kill('SIGTERM')
    await other.ended
    const answers = await cards.answers()
    expect(answers.size).toBe(ends.reduce((sum, end) => sum + end, 0))
    expect(differences(answers, await undisturbed.answers())).toEqual([])
    const deadLetters = deadLettersIn(answers)
    const values = (await onRecords(kafka, (records) => readTopic(records, topic))).map(
      ({ value }) => value?.length,
    )
    const malformed = values.filter((bytes) => bytes === MALFORMED_BYTES).length
    expect(deadLetters).toEqual({ LATE: expect.any(Number), PAYLOAD_INVALID: malformed })
    say({ payments: answers.size, ...deadLetters })
  },
  // The time to read everything again grows with it, too.
  300_000 + 15 * GONE_MS,
)

/** A new schema is in use from the moment at which the registry is gone. */
async function withoutRegistry(
  { cards, http, job }: Worker,
  registry: RegistryService,
  versions: PaymentVersions,
): Promise<void> {
  const useSecond = await versions.registerSecond()
  await registry.kill()
  useSecond()
  const { reason } = await untilState(http, 'unavailable')
  expect(reason).toContain('waits: the schema registry: connect')
  await showsTrouble(job, 'schema')
  await sleep(GONE_MS)
  // Only the partitions with the new schema wait, once they are through what came before it.
  const oddWait = async () => {
    const before = await cards.committed()
    await cards.moves(EVEN)
    const after = await cards.committed()
    return ODD.every((partition) => after[partition] === before[partition])
  }
  await until('the odd partitions wait', oddWait)
  expect(await lagIn(http, ODD)).toBeGreaterThan(0)
  await registry.restart()
}

async function withoutBroker({ http }: Worker, node: KafkaNode): Promise<void> {
  await node.tell('kill')
  await untilState(http, 'unavailable')
  await sleep(GONE_MS)
  await node.restart()
}

/** Resolves when the worker runs and every partition moves. */
async function recovered({ cards, http }: Worker, from: string): Promise<void> {
  const startMs = performance.now()
  await untilState(http, 'running')
  await cards.moves(ALL)
  say({ from, goneMs: GONE_MS, recoveredMs: Math.ceil(performance.now() - startMs) })
}

/** A long run shows where it is. */
function say(figures: object): void {
  process.stderr.write(`${JSON.stringify(figures)}\n`)
}

/** Records that are not processed yet, by the worker's metrics. */
async function lagIn(http: string, partitions: readonly number[]): Promise<number> {
  const metrics = await (await fetch(`${http}/metrics`)).text()
  const lags = partitions.map((partition) => {
    const line = new RegExp(
      `^tidemark_consumer_lag_records\\{[^}]*partition="${partition}"[^}]*\\} (\\d+)`,
      'm',
    )
    return Number(line.exec(metrics)?.[1])
  })
  return Math.min(...lags)
}

/** Returns a function that ends it, and resolves when the last payment is in the log. */
function feedUntilStopped(
  { brokers }: KafkaService,
  topic: string,
  { encode }: PaymentVersions,
): () => Promise<number> {
  let isOver = false
  const options = { brokers, topic, perSecond: PER_SECOND, seconds: 0, encode }
  const feeding = feed({ ...options, isOver: () => isOver }, () => {})
  const stop = () => {
    isOver = true
    return feeding
  }
  onTestFinished(() => void stop())
  return stop
}

async function onRecords<R>(
  kafka: KafkaService,
  work: (records: KafkaRecords) => Promise<R>,
): Promise<R> {
  const records = new KafkaRecords(plainOptions(kafka))
  try {
    return await work(records)
  } finally {
    await records.close()
  }
}

/** The first few answers that are not the expected ones. */
function differences(answers: Answers, expected: Answers): string[] {
  const places = [...answers.keys()].filter((place) => answers.get(place) !== expected.get(place))
  return places
    .slice(0, 3)
    .map((place) => `${place}: ${answers.get(place)}, not ${expected.get(place)}`)
}

/** How many dead letters there are, by code. */
function deadLettersIn(answers: Answers): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers.values()) {
    if (!answer.startsWith('{')) counts[answer] = (counts[answer] ?? 0) + 1
  }
  return counts
}
