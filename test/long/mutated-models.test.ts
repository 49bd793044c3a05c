import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const MUTANTS = 2_000
const MOST_MB = 100

test('2,000 cut and changed models are accepted or refused with a code of models, in 100 MB', async () => {
  const program = fileURLToPath(new URL('./mutated-models.mjs', import.meta.url))
  const options = ['--import', 'tsx', '--conditions=tidemark-source']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    ...options,
    ...[program, String(MUTANTS), '1'],
  ])
  expect(stderr).toBe('')
  const { outcomes, grownMb } = JSON.parse(stdout) as {
    readonly outcomes: Readonly<Record<string, number>>
    readonly grownMb: number
  }
  const codes = Object.keys(outcomes).filter((code) => code !== 'accepted')
  expect(codes.filter((code) => !/^MODEL_[A-Z]+$/.test(code))).toEqual([])
  expect(outcomes['MODEL_LOAD']).toBeGreaterThan(MUTANTS / 4)
  expect(grownMb).toBeLessThan(MOST_MB)
})
