import { expect, test } from 'vitest'
import { type TroubleReport, Troubles } from '../../src/runtime/troubles.ts'
import { HandClock } from '../support/clocks.ts'

const clock = new HandClock(0)
const PARTITION = { topic: 'payments', partition: 3 }
const MODEL = { kind: 'model', topology: 'fraud', partition: PARTITION, step: 'score' } as const
const COMMIT: TroubleReport = { kind: 'commit', reason: 'no broker answers' }

function after(...reports: readonly TroubleReport[]): Troubles {
  const troubles = new Troubles(clock)
  for (const report of reports) troubles.report(report)
  return troubles
}

const unreadable = (partition: number, reason: string, topic = 'payments'): TroubleReport => {
  return { kind: 'unreadable', partition: { topic, partition }, reason }
}

test('troubles are listed in the order of the table, however they came', () => {
  const shadow: TroubleReport = { kind: 'shadow', model: 'o', reason: 'full' }
  const { all } = after(shadow, { ...MODEL, reason: 'it fails' }, COMMIT, unreadable(1, 'away'))
  expect(all.map(({ kind }) => kind)).toEqual(['unreadable', 'commit', 'model', 'shadow'])
})

test('a trouble that goes on for another reason began when it began', () => {
  const troubles = after({ ...MODEL, reason: 'it fails' })
  const beganMs = clock.nowMs()
  clock.advance(1_000)
  troubles.report({ ...MODEL, reason: 'it hangs' })
  expect(troubles.all).toEqual([{ ...MODEL, reason: 'it hangs', sinceMs: beganMs }])
})

test('a trouble ends by itself, and those of a partition when it is lost', () => {
  const ends = after({ ...MODEL, reason: 'it fails' }, COMMIT, { ...MODEL, reason: null })
  expect(ends.all).toMatchObject([COMMIT])
  const others = [unreadable(4, 'away'), unreadable(PARTITION.partition, 'away', 'orders'), COMMIT]
  const troubles = after({ ...MODEL, reason: 'it fails' }, ...others)
  troubles.lost(PARTITION)
  expect(troubles.all).toMatchObject(others)
})

test('partitions with the same trouble for the same reason are told in one sentence, the five lowest by name', () => {
  const away = Array.from({ length: 7 }, (_, i) => unreadable(12 - i, 'no broker answers'))
  expect(after(...away, unreadable(3, 'it has no leader')).reason()).toBe(
    'payments-6, payments-7, payments-8, payments-9, payments-10 and 2 more cannot be read: no broker answers; payments-3 cannot be read: it has no leader',
  )
})

test('only troubles of an effect that is asked for are a reason', () => {
  const writing: TroubleReport = { kind: 'writing', reason: 'writing is slow' }
  const troubles = after(writing, { ...MODEL, reason: 'it fails' })
  expect(troubles.reason('waits')).toBe('payments-3 waits: it fails')
  expect(after(writing).reason('waits')).toBeNull()
  expect(troubles.reason()).toBe('payments-3 waits: it fails; writing is slow')
})
