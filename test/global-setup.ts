import { readFileSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { fetchBy } from './services/fetch-by.ts'
import type { Language } from './services/serializers.ts'
import { startKafka } from './services/start-kafka.ts'

// Starts a real Kafka before the tests, if one of the tests that are about to run uses it, and sees
// to it that those which start nodes or a schema registry of their own can, and that Prometheus'
// checker and the serializers of other languages are there for those that ask them.

/** The imports by which a test says what it needs. */
const USES_KAFKA = /(services|'\.)\/kafka\.ts/
const STARTS_ITS_OWN = /(services|'\.)\/own-kafka\.ts/
const USES_REGISTRY = /(services|'\.)\/registry\.ts/
const USES_SERIALIZERS = /services\/serializers\.ts/
const USES_PROMTOOL = /services\/promtool\.ts/

let stop: () => Promise<void> = async () => {}

export async function setup(project: TestProject): Promise<void> {
  await build()
  const sources = await sourcesOf(project)
  const anyOf = (what: RegExp) => sources.some((source) => what.test(source))
  const kafka = anyOf(USES_KAFKA) ? await reached('KAFKA', startOne) : unused
  const own = anyOf(STARTS_ITS_OWN)
    ? await reached('A KAFKA THAT FAILS, AND ONE WITH TLS', async () =>
        fetchBy('broker.sh', 'jars'),
      )
    : unused
  const registry = anyOf(USES_REGISTRY)
    ? await reached('A SCHEMA REGISTRY', async () => fetchBy('registry.sh', 'jars'))
    : unused
  const promtool = anyOf(USES_PROMTOOL)
    ? await reached('WHAT PROMETHEUS THINKS OF THE METRICS', async () => fetchBy('promtool.sh'))
    : unused
  const serializersOf = async (language: Language, what: string) =>
    anyOf(USES_SERIALIZERS)
      ? reached(what, async () => fetchBy('serializers/fetch.sh', language))
      : unused
  const java = await serializersOf('java', 'EVENTS OF JAVA SERIALIZERS')
  const python = await serializersOf('python', 'EVENTS OF PYTHON SERIALIZERS')
  project.provide('kafka', kafka.is ?? null)
  project.provide('promtool', promtool.is ?? null)
  project.provide('serializers', { java: java.is ?? null, python: python.is ?? null })
  project.provide('untested', {
    kafka: kafka.why,
    ownKafka: own.why,
    registry: registry.why,
    promtool: promtool.why,
    java: java.why,
    python: python.why,
  })
}

export async function teardown(): Promise<void> {
  await stop()
}

interface Reached<T> {
  readonly is?: T
  /** Why it cannot be had; empty where it can. */
  readonly why: string
}

const unused: Reached<never> = { why: 'no test uses it' }

/** @throws Error where it cannot be had and `TIDEMARK_REQUIRE_KAFKA=1` says that it must */
async function reached<T>(what: string, reach: () => Promise<T>): Promise<Reached<T>> {
  try {
    return { is: await reach(), why: '' }
  } catch (error) {
    const why = `${what}: NOT TESTED (${(error as Error).message})`
    if (process.env['TIDEMARK_REQUIRE_KAFKA'] === '1') throw new Error(why, { cause: error })
    return { why }
  }
}

async function startOne() {
  const startMs = Date.now()
  process.stderr.write('Kafka: starting one for the tests ...\n')
  const kafka = await startKafka()
  stop = kafka.stop
  process.stderr.write(`Kafka: ready after ${Date.now() - startMs} ms (${kafka.way})\n`)
  return kafka.service
}

/** Scoring threads and the command line run what is built. */
async function build(): Promise<void> {
  const file = new URL('../src/cli/build.js', import.meta.url).href
  const { buildWhenStale } = (await import(file)) as { buildWhenStale: () => Promise<void> }
  await buildWhenStale()
}

/** Of the test files that are about to run. */
async function sourcesOf(project: TestProject): Promise<string[]> {
  // The file names given on the command line; without them it is all files that are looked at.
  const { filenamePattern = [] } = project.vitest as { filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(filenamePattern)
  return testFiles.map((file) => readFileSync(file, 'utf8'))
}
