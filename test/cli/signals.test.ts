import { expect, onTestFinished, test, vi } from 'vitest'
import { untilSignal } from '../../src/cli/signals.ts'

/** What a process is told to exit with. */
function exits(): (string | number | null | undefined)[] {
  const codes: (string | number | null | undefined)[] = []
  const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
    codes.push(code)
    return undefined as never
  })
  onTestFinished(() => exit.mockRestore())
  return codes
}

test('who asks once is told that what is in flight is finished', async () => {
  const codes = exits()
  const told: string[] = []
  const ending = untilSignal(undefined, (line) => told.push(line))
  onTestFinished(() => ending.dispose())
  expect(ending.hasCome).toBe(false)
  process.emit('SIGTERM', 'SIGTERM')
  await ending.promise
  expect(ending.hasCome).toBe(true)
  expect(told).toEqual(['SIGTERM: finishing what is in flight; send it again to exit at once'])
  expect(codes).toEqual([])
})

test('whoever asks twice gets 130 at once', () => {
  const codes = exits()
  const ending = untilSignal(undefined, () => {})
  onTestFinished(() => ending.dispose())
  process.emit('SIGINT', 'SIGINT')
  process.emit('SIGTERM', 'SIGTERM')
  expect(codes).toEqual([130])
})
