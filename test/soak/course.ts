import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { Progress } from '../../src/cli/progress.ts'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { until } from '../services/cluster.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import type { Link } from '../services/links.ts'
import { createTopics } from '../services/topics.ts'
import { type BeatFigures, beatFigures, startBeats } from './beats.ts'
import { check, type Run, runFile, startWatch, type Verdict } from './checker.ts'
import { feed, LONGER_S } from './feed.ts'
import { HEAP_PROBE, type HeapFigures, type HeapSample, heapFigures, heapSamples } from './heap.ts'
import { type MemoryFigures, memoryFigures } from './memory.ts'
import { beatArguments, beatTopicsOf, paymentTopology, topicNames } from './topics.ts'
import { Workers } from './workers.ts'

// From fresh topics over troubled workers to a verdict on what stands in the topics.

/** For the first workers to have their partitions, and for the watch to have seen something. */
const START_WITHIN_MS = 120_000
/** After the last payment, for the workers to be through. */
const FINISH_WITHIN_MS = 180_000
const CHECK_WITHIN_MS = 600_000
/** The payments are ten a second of event time, and the longest window of card-fraud is 24 h. */
const LONGEST_WINDOW_EVENTS = 10 * 86_400
const CLIENT = { logLevel: logLevel.NOTHING } as const

/** Where it takes place. */
export interface Place {
  readonly brokers: readonly string[]
  /** `null`: its nodes are not ours. */
  readonly kafka: OwnKafka | null
  /** Between the workers and each node; none: they are told the brokers themselves. */
  readonly links: readonly Link[]
}

/**
 * What the workers go through while they are fed. Resolves when all is whole again, with what was
 * not as it should be.
 */
export type Trouble = (ground: Ground) => Promise<readonly string[]>

export interface CourseOptions extends Place {
  readonly model: string
  readonly seconds: number
  readonly perSecond: number
  readonly workers: number
  readonly partitions: number
  readonly guarantee: string
  /** More flags for each worker; `{name}` stands for its name. */
  readonly workerFlags: readonly string[]
  /** Modules that each worker loads first. @default none */
  readonly preloads?: readonly string[]
  /**
   * What the payments go through: a topology of card-fraud, below a checkout. @default
   * test/soak/topologies/card-fraud.ts
   */
  readonly topology?: string
  /** The checkout whose worker the next life of that name is. @default this one */
  readonly rootOf?: (name: string) => string | undefined
  /** The worker whose heap is watched: it must never be killed. @default none */
  readonly spared?: string
  readonly trouble: Trouble
}

export interface Report {
  readonly fed: number
  readonly seconds: number
  /** From the last payment to its commit; `null`: the workers did not come through. */
  readonly finishSeconds: number | null
  /** What must not be, beside the verdict. */
  readonly faults: readonly string[]
  readonly memory: MemoryFigures
  readonly heap: HeapFigures
  readonly beats: BeatFigures
  readonly verdict: Verdict
  /** The logs of the workers, what was noted, and what the checker was told. */
  readonly folder: string
}

/** Holds while the course is run, and is gone after. */
export interface Ground {
  readonly options: CourseOptions
  readonly group: string
  readonly folder: string
  readonly admin: Admin
  readonly workers: Workers
}

/** Runs it, and tells what came of it. Aborted, it ends its workers and rejects. */
export async function runCourse(options: CourseOptions, aborted: Promise<never>): Promise<Report> {
  const group = `soak-${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-soak-'))
  say(`logs and notes: ${folder}`)
  const { brokers, partitions } = options
  const topics = topicNames(group)
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-soak' })
  try {
    const specs = topics.map((name) => ({ name, partitions }))
    await createTopics({ brokers: [...brokers] }, records, specs)
  } finally {
    await records.close()
  }
  const admin = new Kafka({ brokers: [...brokers], ...CLIENT }).admin()
  await admin.connect()
  const workers = startWorkers(options, group, folder)
  let isFaulty = true
  try {
    const report = await Promise.race([course({ options, group, folder, admin, workers }), aborted])
    isFaulty = !report.verdict.ok
    return report
  } finally {
    await workers.stop()
    // Whoever brought the brokers can look at the logs.
    if (!isFaulty) await admin.deleteTopics({ topics })
    await admin.disconnect()
  }
}

function startWorkers(options: CourseOptions, group: string, folder: string): Workers {
  const { links, preloads = [], spared, topology, rootOf = () => undefined } = options
  const brokers = links.length === 0 ? options.brokers : links.map(({ address }) => address)
  return new Workers({
    names: Array.from({ length: options.workers }, (_, i) => `w${i + 1}`),
    argumentsOf: (name) => {
      const root = rootOf(name)
      return [
        ...runArguments({ ...options, brokers, group, topology: paymentTopology(root, topology) }),
        ...beatArguments(group, root),
        ...options.workerFlags.map((flag) => flag.replaceAll('{name}', name)),
      ]
    },
    rootOf,
    preloadsOf: (name) => [...preloads, ...(name === spared ? [HEAP_PROBE] : [])],
    folder,
  })
}

async function course(ground: Ground): Promise<Report> {
  const { options, group, folder, workers } = ground
  const { payments: input, predictions, deadLetters } = topicsOf(group)
  const mayRepeat = options.guarantee === 'at-least-once'
  const brokers = options.brokers.join(',')
  const of: Run = {
    ...{ brokers, group, input, predictions, deadLetters, mayRepeat },
    ...{ fed: 0, notes: null },
  }
  await within(START_WITHIN_MS, 'the workers have their partitions', workers.ready())
  const notes = join(folder, 'notes.ndjson')
  const watch = startWatch(runFile(folder, 'watch', of), notes)
  const hasBegun = watch.until(() => true)
  try {
    await within(START_WITHIN_MS, 'the watch has begun', hasBegun)
    const fed = await feedAndTrouble(ground)
    say(`${fed.inputs} payments are fed; waiting until all are committed`)
    const finishSeconds = await untilCommitted(ground)
    const beats = await beatFigures(options.brokers, beatTopicsOf(group), mayRepeat)
    await workers.stop()
    await watch.stop()
    const fullMs = (LONGEST_WINDOW_EVENTS / options.perSecond) * 1_000
    const run = runFile(folder, 'check', { ...of, fed: fed.inputs, notes })
    const [verdict] = await check([run], { timeoutMs: CHECK_WITHIN_MS, tell: say })
    return {
      ...{ fed: fed.inputs, seconds: fed.seconds, finishSeconds, beats, folder },
      faults: [...fed.faults, ...beats.faults, ...workers.surprises],
      memory: memoryFigures(workers.memory, fullMs),
      heap: heapFigures(fed.heap),
      verdict: verdict as Verdict,
    }
  } finally {
    await watch.stop()
  }
}

interface Troubled {
  readonly inputs: number
  readonly seconds: number
  readonly faults: readonly string[]
  /** While payments came. */
  readonly heap: readonly HeapSample[]
}

async function feedAndTrouble(ground: Ground): Promise<Troubled> {
  const { options, group, workers } = ground
  const { brokers, seconds, perSecond, spared } = options
  const topic = topicsOf(group).payments
  let sent = 0
  const progress = new Progress(() => ({ records: sent, share: sent / (seconds * perSecond) }))
  const beats = startBeats(brokers, beatTopicsOf(group))
  let isOver = false
  const startMs = performance.now()
  const trouble = options.trouble(ground).finally(() => {
    isOver = true
  })
  const feeding = feed({ brokers, topic, perSecond, seconds, isOver: () => isOver }, (n) => {
    sent = n
  })
  try {
    const [fed, faults] = await within(
      (seconds + LONGER_S) * 1_000,
      'all payments are fed, and all is whole again',
      Promise.all([feeding, trouble]),
    )
    const heap = spared === undefined ? [] : heapSamples(workers.log(spared))
    await beats.stop()
    const inputs = await countOf(ground.admin, topic)
    return {
      ...{ inputs, seconds: (performance.now() - startMs) / 1_000, heap },
      faults: [...faults, ...misfed(fed, inputs)],
    }
  } finally {
    progress.end()
    await beats.stop()
  }
}

/** What was sent stands in the log. */
function misfed(payments: number, inputs: number): string[] {
  return inputs >= payments ? [] : [`${payments} payments were fed, and ${inputs} are there`]
}

async function countOf(admin: Admin, topic: string): Promise<number> {
  const ends = await admin.fetchTopicOffsets(topic)
  return ends.reduce((sum, { high }) => sum + Number(high), 0)
}

/** Asks without the driver under test. */
async function untilCommitted({ admin, group }: Ground): Promise<number | null> {
  const topic = topicsOf(group).payments
  const startMs = performance.now()
  const ends = await admin.fetchTopicOffsets(topic)
  const isThrough = async () => {
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const committed = new Map(found?.partitions.map((p) => [p.partition, p.offset]))
    return ends.every((p) => p.high === '0' || committed.get(p.partition) === p.high)
  }
  try {
    await until('through', isThrough, FINISH_WITHIN_MS)
    return (performance.now() - startMs) / 1_000
  } catch {
    return null
  }
}

/** @throws Error when it takes longer */
async function within<R>(ms: number, what: string, work: Promise<R>): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not after ${ms / 1_000} s: ${what}`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
