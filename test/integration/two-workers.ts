import { expect } from 'vitest'
import type { Running } from '../services/tidemark.ts'
import { type CardFraud, PARTITIONS, unanswered } from './card-fraud.ts'

// Two workers under one parent.

export const HALF = PARTITIONS / 2

/** Both of them, once each has its half of the partitions. */
export async function twoWorkers(cards: CardFraud, ...flags: readonly string[]): Promise<Running> {
  const run = cards.run('--workers', '2', ...flags)
  // Whichever has joined first may have had all of them.
  await run.says(`"partitions":${HALF},"msg":"assigned `)
  return run
}

/** Each event is answered, by one output or dead letter. */
export async function expectAllOnce(cards: CardFraud): Promise<void> {
  const answered = await cards.answered()
  expect(unanswered(cards.ends, answered)).toEqual([])
  expect([...answered.values()].filter((times) => times !== 1)).toEqual([])
}
