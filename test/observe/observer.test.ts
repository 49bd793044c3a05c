import { afterEach, expect, test, vi } from 'vitest'
import { observeAll } from '../../src/observe/observer.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { samples } from './events.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('each observer is told each event, in order', () => {
  const told: [string, RuntimeEvent][] = []
  const observe = observeAll(
    (event) => told.push(['a', event]),
    (event) => told.push(['b', event]),
  )
  observe(samples.state)
  observe(samples.lost)
  expect(told).toEqual([
    ['a', samples.state],
    ['b', samples.state],
    ['a', samples.lost],
    ['b', samples.lost],
  ])
})

test('an observer that throws harms nobody and is warned of once', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const told: RuntimeEvent[] = []
  const observe = observeAll(
    () => {
      throw new Error('disk full')
    },
    (event) => told.push(event),
  )
  observe(samples.state)
  observe(samples.lost)
  expect(told).toEqual([samples.state, samples.lost])
  expect(warn.mock.calls).toEqual([['an observer failed on "state": disk full']])
})
