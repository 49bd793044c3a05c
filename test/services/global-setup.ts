import { readFileSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { fetchBy } from './fetch-by.ts'
import { startFromMaven } from './from-maven.ts'
import type { KafkaService, WorkersKafka } from './kafka.ts'
import type { Language } from './serializers.ts'
import { startKafka } from './start-kafka.ts'

// Starts a real Kafka for each worker before the tests, if one of the tests that are about to run
// uses it, and fetches a schema registry, Redis, Prometheus, MLflow and the serializers of other
// languages for those that ask for them.

/** The imports by which a test says what it needs. */
const USES_KAFKA = /(services|'\.)\/(own-)?kafka\.ts/
const USES_REGISTRY = /(services|'\.)\/registry\.ts/
const USES_SERIALIZERS = /services\/serializers\.ts/
const USES_REDIS = /(services|'\.)\/redis\.ts/
const USES_PROMETHEUS = /services\/prometheus\.ts/
const USES_MLFLOW = /services\/mlflow\.ts/

const stops: (() => Promise<void>)[] = []

export async function setup(project: TestProject): Promise<void> {
  const sources = await sourcesOf(project)
  const using = (what: RegExp) => sources.filter((source) => what.test(source)).length
  const reachedIf = async <T>(isUsed: number, what: string, reach: () => Promise<T> | T) =>
    isUsed > 0 ? reached(what, reach) : unused
  const users = using(USES_KAFKA)
  // A file that uses it may be given to any of the workers.
  const workers = Math.min(sources.length, project.config.maxWorkers)
  const own = await reachedIf(users, 'KAFKA', () => kafkasFor(workers))
  const isShared = isAskedFor() || own.is === undefined
  const shared = await reachedIf(isShared ? users : 0, 'KAFKA', sharedKafka)
  const registry = await reachedIf(using(USES_REGISTRY), 'A SCHEMA REGISTRY', () =>
    fetchBy('registry.sh', 'jars'),
  )
  const redis = await reachedIf(using(USES_REDIS), 'REDIS', () => fetchBy('redis.sh', 'fetch'))
  const prometheus = await reachedIf(
    using(USES_PROMETHEUS),
    'WHAT PROMETHEUS MAKES OF THE METRICS',
    () => fetchBy('prometheus.sh'),
  )
  const mlflow = await reachedIf(using(USES_MLFLOW), 'MODELS OF MLFLOW', () => fetchBy('mlflow.sh'))
  const serializersOf = (language: Language, what: string) =>
    reachedIf(using(USES_SERIALIZERS), what, () => fetchBy('serializers/fetch.sh', language))
  const java = await serializersOf('java', 'EVENTS OF JAVA SERIALIZERS')
  const python = await serializersOf('python', 'EVENTS OF PYTHON SERIALIZERS')
  project.provide('kafka', shared.is ?? null)
  project.provide('workersKafkas', own.is ?? [])
  project.provide('prometheus', prometheus.is ?? null)
  project.provide('mlflow', mlflow.is ?? null)
  project.provide('serializers', { java: java.is ?? null, python: python.is ?? null })
  project.provide('untested', {
    kafka: shared.why,
    ownKafka: own.why,
    registry: registry.why,
    redis: redis.why,
    prometheus: prometheus.why,
    mlflow: mlflow.why,
    java: java.why,
    python: python.why,
  })
}

export async function teardown(): Promise<void> {
  await Promise.all(stops.map((stop) => stop()))
}

interface Reached<T> {
  readonly is?: T
  /** Why it cannot be had; empty where it can. */
  readonly why: string
}

const unused: Reached<never> = { why: 'no test uses it' }

/** @throws Error where it cannot be had and `TIDEMARK_REQUIRE_KAFKA=1` says that it must */
async function reached<T>(what: string, reach: () => Promise<T> | T): Promise<Reached<T>> {
  try {
    return { is: await reach(), why: '' }
  } catch (error) {
    const why = `${what}: NOT TESTED (${(error as Error).message})`
    if (process.env['TIDEMARK_REQUIRE_KAFKA'] === '1') throw new Error(why, { cause: error })
    return { why }
  }
}

/** One for each worker, all at once. */
async function kafkasFor(workers: number): Promise<WorkersKafka[]> {
  const startMs = Date.now()
  process.stderr.write(`Kafka: starting ${workers} for the tests ...\n`)
  fetchBy('broker.sh', 'jars')
  const starting = Array.from({ length: workers }, () => startFromMaven())
  const kafkas = (await Promise.allSettled(starting)).flatMap((started) => {
    if (started.status === 'rejected') return []
    const { service, place, stop } = started.value
    stops.push(stop)
    return [{ service, place }]
  })
  await Promise.all(starting)
  process.stderr.write(`Kafka: ready after ${Date.now() - startMs} ms\n`)
  return kafkas
}

/** Whether all workers share one: a given one, or one of three nodes. */
function isAskedFor(): boolean {
  return Boolean(process.env['TIDEMARK_TEST_BROKERS']) || process.env['TIDEMARK_TEST_NODES'] === '3'
}

async function sharedKafka(): Promise<KafkaService> {
  const { service, way, stop } = await startKafka()
  stops.push(stop)
  process.stderr.write(`Kafka: one for all tests (${way})\n`)
  return service
}

/** Sources of the test files that are about to run. */
async function sourcesOf(project: TestProject): Promise<string[]> {
  // The file names given on the command line; without them it is all files that are looked at.
  const { filenamePattern = [] } = project.vitest as { filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(filenamePattern)
  return testFiles.map((file) => readFileSync(file, 'utf8'))
}
