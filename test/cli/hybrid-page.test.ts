import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blocksOf } from '../house/pages.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// The first two commands: those that need no broker.

const [batch = '', dev = ''] = blocksOf('docs/hybrid.md')
  .filter(({ language }) => language === 'sh')
  .map(({ text }) => text.trim())

interface Prediction {
  readonly paymentId: string
  readonly model: string
  readonly route: string
  readonly reuse: { readonly ageMs: number; readonly drift: number } | null
}

test("last night's scores take the place of 40 runs of 110 in the morning, as the page says", async () => {
  const folder = folderWith({})
  const inFolder = (args: string) =>
    args
      .split(' ')
      .slice(2)
      .map((arg) => arg.replace(/(^|=)nightly(?=$|\/)/, `$1${folder}/nightly`))
  const made = await tidemark(inFolder(batch))
  expect({ ...made, stderr: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
  const [files = '', command = ''] = dev.split(' | ')
  const stdin = files
    .split(' ')
    .slice(1)
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  const { code, stdout } = await tidemark(inFolder(command), { stdin: stdin.join('') })
  expect(code).toBe(0)
  const predictions = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Prediction)
  expect(predictions).toHaveLength(495)
  const morning = predictions.filter(({ paymentId }) => paymentId.startsWith('n-'))
  const reused = morning.filter(({ reuse }) => reuse !== null)
  expect([morning.length, reused.length]).toEqual([110, 40])
  for (const { route, model, reuse } of reused) {
    expect([route, model]).toEqual(['reuse', 'card-mlp@1+e9c333d6'])
    expect(reuse?.drift).toBeLessThanOrEqual(0.75)
    expect(reuse?.ageMs).toBeLessThanOrEqual(86_400_000)
  }
  const live = morning.filter(({ reuse }) => reuse === null)
  expect(new Set(live.map(({ route, model }) => `${route} ${model}`))).toEqual(
    new Set(['live card-mlp@1']),
  )
})
