import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { mulberry32 } from '../bench/payments.ts'
import { startNode } from '../services/tidemark.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// A batch that is killed at any moment, and continued, writes what an undisturbed one writes.

const PROGRAM = fileURLToPath(new URL('batch-until-killed.ts', import.meta.url))
const FLIGHTS = join(ROOT, 'topologies/flight-delay.ts')
const SAMPLE = readFileSync(join(ROOT, 'topologies/samples/flights.ndjson.gz'))
const KILLS = Number(process.env['TIDEMARK_TEST_KILLS'] ?? 3)
/** As long as the work takes, once it has begun. */
const LONGEST_MS = 1_500

/** The files of an output, without what differs each time. */
function filesOf(output: string) {
  const names = (readdirSync(output, { recursive: true }) as string[]).sort()
  const parts = names.filter((name) => name.endsWith('.ndjson'))
  const texts = parts.map((name) => {
    const text = readFileSync(join(output, name), 'utf8')
    return [name, text.replaceAll(/"tidemark-scored-at":"\d+"/g, '')]
  })
  const manifest = readFileSync(join(output, '_manifest.json'), 'utf8')
  const { outcomes, parts: listed } = JSON.parse(manifest) as {
    readonly outcomes: unknown
    readonly parts: readonly { readonly file: string; readonly rows: number }[]
  }
  const rows = listed.map(({ file, rows: count }) => [file, count])
  return { names, texts: Object.fromEntries(texts) as Record<string, string>, outcomes, rows }
}

test.each([
  ['one worker', [1]],
  ['another number of workers each time', [2, 1, 3, 2]],
] as const)('kill -9 at several moments: %s', { timeout: 600_000 }, async (name, workers) => {
  const folder = folderWith({})
  const [input, output] = [join(folder, 'in.ndjson'), join(folder, 'out')]
  // Some of the records become dead letters.
  const lines = gunzipSync(SAMPLE).toString().split('\n')
  writeFileSync(input, lines.map((line, i) => (i % 97 === 5 ? '{}' : line)).join('\n'))
  expect((await tidemark(['batch', FLIGHTS, '--input', input, '--output', output])).code).toBe(0)
  const expected = filesOf(output)
  expect(expected.names.length).toBeGreaterThan(8)
  rmSync(output, { recursive: true })

  const random = mulberry32(name.length)
  const flags = {
    ...{ input: [input], output, format: 'ndjson', compression: 'snappy', order: 'files' },
    ...{ partitions: 6, overwrite: false, resume: true, rows: false, with: [] },
  }
  const start = (run: number) => {
    const given = { ...flags, workers: workers[run % workers.length] }
    const program = ['--import', 'tsx', '--conditions=tidemark-source', PROGRAM, FLIGHTS]
    const running = startNode([...program, JSON.stringify(given)])
    onTestFinished(() => void running.process.kill('SIGKILL'))
    return running
  }
  const unfinished = join(folder, '_temporary/out')
  const hasProgress = () =>
    existsSync(unfinished) &&
    readdirSync(unfinished).some((file) => /^_progress-\d+\.json$/.test(file))
  const finished: unknown[] = []
  let kills = 0
  for (let run = 0; kills < KILLS || !existsSync(output); run++) {
    if (existsSync(output)) {
      // It was faster.
      finished.push(filesOf(output))
      rmSync(output, { recursive: true })
    }
    const running = start(run)
    if (kills < KILLS) {
      await running.says('flight-predictions')
      // Most are killed between two of the moments at which their work became durable.
      const isSaved = kills % 5 > 0 ? hasProgress : () => true
      while (!isSaved() && running.process.exitCode === null) await sleep(5)
      await Promise.race([sleep(random() * LONGEST_MS), running.ended])
      running.process.kill('SIGKILL')
    }
    const { code, signal, stderr } = await running.ended
    if (signal === null && code !== 0) throw new Error(stderr)
    if (signal !== null) kills++
  }
  finished.push(filesOf(output))
  expect(finished).toEqual(finished.map(() => expected))
})
