import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { blocksOf } from '../house/pages.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Training rows first: a model scores them.
const commands = ['docs/training.md', 'docs/batch.md'].flatMap((page) =>
  blocksOf(page)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.trimEnd().split('\n'))
    .filter((line) => line.startsWith('npx tidemark batch ') && !line.includes('kafka:')),
)

const PAYMENTS = 'topologies/samples/payments.tsv'
const FLIGHTS = 'topologies/samples/flights.ndjson.gz'
const payments = readFileSync(join(ROOT, PAYMENTS), 'utf8')
const flights = gunzipSync(readFileSync(join(ROOT, FLIGHTS)))
  .toString()
  .split('\n')
const PATHS = ['--input', '--output', '--labels']

test('the commands of the pages about batches do what they are there for', async () => {
  const few = gzipSync(flights.slice(0, 1_000).join('\n'))
  const folder = folderWith({ 'export.ndjson': exported(), [PAYMENTS]: payments, [FLIGHTS]: few })
  expect(commands.length).toBeGreaterThan(4)
  for (const command of commands) {
    const args = command
      .replaceAll("'", '')
      .split(' ')
      .slice(2)
      .map((word, i, words) => (PATHS.includes(words[i - 1] ?? '') ? join(folder, word) : word))
    const { code, stderr } = await tidemark(args)
    expect({ command, code, stderr }).toMatchObject({ command, code: 0 })
    const out = args[args.indexOf('--output') + 1] as string
    const manifest = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as {
      readonly outcomes: { readonly records: number; readonly scored: number }
    }
    const { scored, records } = manifest.outcomes
    expect(scored).toBeGreaterThan(records / 3)
  }
})

/** Payments with the places that they had in the log. */
function exported(): string {
  const whole = payments
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[1] as string)
    .filter((json) => json.endsWith('}'))
  return whole
    .map((json, i) => `${json.slice(0, -1)},"partition":${i % 3},"offset":${i * 2}}\n`)
    .join('')
}
