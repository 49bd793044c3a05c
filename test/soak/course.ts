import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { until } from '../services/cluster.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import type { Link } from '../services/links.ts'
import { createTopics } from '../services/topics.ts'
import { type BeatFigures, beatFigures, startBeats } from './beats.ts'
import { check, type Run, runFile, startWatch, type Verdict } from './checker.ts'
import { feed } from './feed.ts'
import { HEAP_PROBE, type HeapFigures, type HeapSample, heapFigures, heapSamples } from './heap.ts'
import { type MemoryFigures, memoryFigures } from './memory.ts'
import { beatArguments, beatTopicsOf, paymentTopology, topicNames } from './topics.ts'
import { Workers } from './workers.ts'

// Runs a course: new topics, workers under failures, and a verdict on the content of the topics.

/** Limit for the first workers to get their partitions, and for the first note of the watch. */
const START_WITHIN_MS = 120_000
/** Limit for the workers to commit everything after the last payment. */
const FINISH_WITHIN_MS = 180_000
const CHECK_WITHIN_MS = 600_000
/** How much longer than planned payments may be fed, while workers recover. */
const LONGER_S = 240
/** The payments are ten a second of event time, and the longest window of card-fraud is 24 h. */
const LONGEST_WINDOW_EVENTS = 10 * 86_400
const CLIENT = { logLevel: logLevel.NOTHING } as const

/** The Kafka cluster of a course. */
export interface Place {
  readonly brokers: readonly string[]
  /** `null`: its nodes were not started by us. */
  readonly kafka: OwnKafka | null
  /** Links between the workers and each node; empty: workers connect to the brokers directly. */
  readonly links: readonly Link[]
}

/**
 * Causes failures while the workers are fed. Resolves with the faults that it found, after
 * everything has recovered.
 */
export type Trouble = (ground: Ground) => Promise<readonly string[]>

export interface CourseOptions extends Place {
  readonly model: string
  readonly seconds: number
  readonly perSecond: number
  readonly workers: number
  readonly partitions: number
  readonly guarantee: string
  /** Additional flags for each worker; `{name}` is replaced by its name. */
  readonly workerFlags: readonly string[]
  /** Modules that each worker loads first. @default none */
  readonly preloads?: readonly string[]
  /**
   * Path of the payments' topology in a checkout; equivalent to card-fraud. @default
   * test/soak/topologies/card-fraud.ts
   */
  readonly topology?: string
  /** The checkout that the next start of the worker of that name runs. @default this one */
  readonly rootOf?: (name: string) => string | undefined
  /** The worker whose heap is measured; it must never be killed. @default none */
  readonly spared?: string
  readonly trouble: Trouble
}

/** The result of a course. */
export interface Report {
  readonly fed: number
  readonly seconds: number
  /** From the last payment to its commit; `null`: the workers did not finish in time. */
  readonly finishSeconds: number | null
  /** Faults besides those of the verdict. */
  readonly faults: readonly string[]
  readonly memory: MemoryFigures
  readonly heap: HeapFigures
  readonly beats: BeatFigures
  readonly verdict: Verdict
  /** Has the logs of the workers, the notes, and the checker's input. */
  readonly folder: string
}

/** The resources of a course while it runs. */
export interface Ground {
  readonly options: CourseOptions
  readonly group: string
  readonly folder: string
  readonly admin: Admin
  readonly workers: Workers
}

/** Runs a course. When `aborted` rejects, stops the workers and rejects. */
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
    // After a fault the topics are kept, for a look at the logs.
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
  const hasStarted = watch.until(() => true)
  try {
    await within(START_WITHIN_MS, 'the watch has started', hasStarted)
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

interface FeedOutcome {
  readonly inputs: number
  readonly seconds: number
  readonly faults: readonly string[]
  /** Taken while payments were fed. */
  readonly heap: readonly HeapSample[]
}

async function feedAndTrouble(ground: Ground): Promise<FeedOutcome> {
  const { options, group, workers } = ground
  const { brokers, seconds, perSecond, spared } = options
  const topic = topicsOf(group).payments
  let sent = 0
  const endProgress = showProgress(() => sent)
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
      'all payments are fed, and everything has recovered',
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
    endProgress()
    await beats.stop()
  }
}

/** The fault when fewer payments are in the log than were sent. */
function misfed(payments: number, inputs: number): string[] {
  return inputs >= payments ? [] : [`${payments} payments were fed, but the log has ${inputs}`]
}

async function countOf(admin: Admin, topic: string): Promise<number> {
  const ends = await admin.fetchTopicOffsets(topic)
  return ends.reduce((sum, { high }) => sum + Number(high), 0)
}

/**
 * Waits until all payments are committed; asks kafkajs, not the driver under test. @returns the
 * time in seconds; `null` when it takes too long
 */
async function untilCommitted({ admin, group }: Ground): Promise<number | null> {
  const topic = topicsOf(group).payments
  const startMs = performance.now()
  const ends = await admin.fetchTopicOffsets(topic)
  const isCommitted = async () => {
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const committed = new Map(found?.partitions.map((p) => [p.partition, p.offset]))
    return ends.every((p) => p.high === '0' || committed.get(p.partition) === p.high)
  }
  try {
    await until('committed', isCommitted, FINISH_WITHIN_MS)
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
