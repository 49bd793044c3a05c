import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { EDITION } from '../../src/trees/edition.ts'

const TREES = new URL('../../src/trees/', import.meta.url)

test('verdicts on trees are of the trees as they are: EDITION is the hash of what stands beside it', () => {
  const hash = createHash('sha256')
  const names = readdirSync(TREES, { recursive: true }) as string[]
  for (const name of names.filter((n) => /\.ts$/.test(n) && n !== 'edition.ts').sort()) {
    hash.update(name).update(readFileSync(new URL(name, TREES)))
  }
  expect(EDITION).toBe(hash.digest('hex').slice(0, 12))
})
