import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mutated } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

const ROOT = join(import.meta.dirname, '../..')
const CONTRACT = ['rebalancing', 'guarantee', 'starting'].map(
  (of) => `test/records/${of}-contract.ts`,
)
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

describe('every mutant', () => {
  test.each(MUTANTS)('$name still fits the sources, and names a test that is there', (mutant) => {
    for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
      const source = read(join('src', file))
      const edits = mutant.edits.filter((edit) => edit.file === file)
      expect(mutated(source, edits)).not.toBe(source)
    }
    const { file, test: name } = mutant.caughtBy
    expect([...CONTRACT, file].map(read).join('')).toContain(name)
  })
})
