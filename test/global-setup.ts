import { readFileSync, writeSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { startKafka } from './services/start-kafka.ts'

// Starts a real Kafka before the tests, if one of the tests that are about to run uses it.

/** The import by which a test says that it needs Kafka. */
const USES_KAFKA = 'services/kafka.ts'

let stop: () => Promise<void> = async () => {}

export async function setup(project: TestProject): Promise<void> {
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

async function usesKafka(project: TestProject): Promise<boolean> {
  const filters = project.vitest.filenamePattern ?? []
  const { testFiles } = await project.globTestFiles(filters)
  return testFiles.some((file) => readFileSync(file, 'utf8').includes(USES_KAFKA))
}
