import { readFileSync } from 'node:fs'
import { join } from 'node:path'
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

test('the commands of the pages about batches do what they are there for', async () => {
  const folder = folderWith({ 'export.ndjson': exported() })
  expect(commands.length).toBeGreaterThan(4)
  for (const command of commands) {
    const args = command.split(' ').slice(2)
    const output = args.indexOf('--output') + 1
    const out = join(folder, args[output] as string)
    args[output] = out
    const input = args.indexOf('--input') + 1
    const path = args[input]?.replaceAll("'", '') as string
    args[input] = path.startsWith('topologies/') ? path : join(folder, path)
    const { code, stderr } = await tidemark(args)
    expect({ command, code, stderr }).toMatchObject({ command, code: 0 })
    const manifest = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as {
      readonly outcomes: { readonly records: number; readonly scored: number }
    }
    const { scored, records } = manifest.outcomes
    expect(scored).toBeGreaterThan(records / 3)
  }
})

/** Payments with the places that they had in the log. */
function exported(): string {
  const lines = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'), 'utf8')
    .trim()
    .split('\n')
  const whole = lines
    .map((line) => line.split('\t')[1] as string)
    .filter((json) => json.endsWith('}'))
  return whole
    .map((json, i) => `${json.slice(0, -1)},"partition":${i % 3},"offset":${i * 2}}\n`)
    .join('')
}
