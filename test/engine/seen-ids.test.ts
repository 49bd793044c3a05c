import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { numberOfId, SeenIds } from '../../src/engine/operators/dedupe/seen-ids.ts'
import { Dictionary } from '../../src/engine/store/dictionary.ts'
import { StateUse } from '../../src/engine/store/state-limits.ts'
import { HASH } from '../support/hash.ts'
import { ROOT } from '../support/paths.ts'

const NO_LIMITS = { maxKeys: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }
const IDS = 50_000
const KEYS = 10_000

/** The bytes that limits count for an id of a length. */
function bytesPerId(length: number): number {
  const times = { withinMs: 1_000, retentionMs: 1_000 }
  const seen = new SeenIds(times, { keys: new Dictionary(HASH), use: new StateUse(NO_LIMITS) })
  for (let n = 0; n < IDS; n++) {
    const key = n % KEYS
    seen.begin(numberOfId(seen.numbers, key, String(n).padStart(length, '0')), key, n)
  }
  expect(seen.texts).toBe(IDS)
  return seen.bytes / IDS
}

test('an id takes what docs/operations.md says, within a tenth', () => {
  const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8')
  const told = /about (\d+) bytes for a UUID, (\d+) for 10 characters/.exec(page) ?? []
  for (const [at, length] of [36, 10].entries()) {
    const share = bytesPerId(length) / Number(told[at + 1])
    expect(share, `${length} characters`).toBeGreaterThan(0.9)
    expect(share, `${length} characters`).toBeLessThan(1.1)
  }
})
