import { readFileSync, writeSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { startKafka } from './services/start-kafka.ts'

// Starts a real Kafka before the tests, if one of the tests that are about to run uses it.

/** The import by which a test says that it needs Kafka. */
const USES_KAFKA = /(services|'\.)\/(own-)?kafka\.ts/

let stop: () => Promise<void> = async () => {}

export async function setup(project: TestProject): Promise<void> {
  await build()
  project.provide('kafka', null)
  if (!(await usesKafka(project))) return
  const startMs = Date.now()
  process.stderr.write('Kafka: starting one for the tests ...\n')
  try {
    const kafka = await startKafka()
    stop = kafka.stop
    project.provide('kafka', kafka.service)
    process.stderr.write(`Kafka: ready after ${Date.now() - startMs} ms (${kafka.way})\n`)
  } catch (error) {
    const line = `KAFKA: NOT TESTED (${(error as Error).message})`
    if (process.env['TIDEMARK_REQUIRE_KAFKA'] === '1') throw new Error(line, { cause: error })
    // After everything that the reporters print.
    process.once('exit', () => writeSync(process.stdout.fd, `${line}\n`))
  }
}

export async function teardown(): Promise<void> {
  await stop()
}

/** Scoring threads and the command line run what is built. */
async function build(): Promise<void> {
  const file = new URL('../src/cli/build.js', import.meta.url).href
  const { buildWhenStale } = (await import(file)) as { buildWhenStale: () => Promise<void> }
  await buildWhenStale()
}

async function usesKafka(project: TestProject): Promise<boolean> {
  // The file names given on the command line; without them it is all files that are looked at.
  const { filenamePattern = [] } = project.vitest as { filenamePattern?: string[] }
  const { testFiles } = await project.globTestFiles(filenamePattern)
  return testFiles.some((file) => USES_KAFKA.test(readFileSync(file, 'utf8')))
}
