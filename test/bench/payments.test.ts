import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { paymentLines } from './payments.ts'

function sha256(lines: Iterable<string>): string {
  const hash = createHash('sha256')
  for (const line of lines) hash.update(`${line}\n`)
  return hash.digest('hex')
}

it.each([
  ['the input of card-5k', '../golden/card-5k/input.tsv', 5_000],
  ['the sample of payments', '../../topologies/samples/payments.tsv', 500],
])('the stream of seed 1 starts with %s', (_what, file, count) => {
  const lines = readFileSync(new URL(file, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
  expect(sha256(paymentLines(count, 1))).toBe(sha256(lines))
})

it('a seed always produces the same stream', () => {
  expect(sha256(paymentLines(20_000, 1))).toBe(
    '2ec63125448c44304e8562dba6f5cf00bfc3625cd52ccea8b2dfa73ca760f861',
  )
})

it('another seed produces another stream', () => {
  expect(sha256(paymentLines(100, 3))).not.toBe(sha256(paymentLines(100, 1)))
})
