import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { untilSignal } from '../../src/cli/exit.ts'
import { sayOnOwnLine, sayTo } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'

// Progress and lines on stderr, on a terminal and elsewhere.

let written = ''
const wasTerminal = process.stderr.isTTY

beforeEach(() => {
  written = ''
  vi.useFakeTimers()
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written += String(text)
    return true
  })
  sayTo(process.stderr)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  process.stderr.isTTY = wasTerminal
})

/** `⌫` for what takes a terminal back to the start of an empty line. */
const readable = (text: string) => text.replaceAll('\r\x1b[K', '⌫')

/** The text that a progress shows after so long, and at its end. */
function shown({ isTTY, ms }: { isTTY: boolean; ms: number }) {
  process.stderr.isTTY = isTTY
  const endProgress = showProgress(() => 23)
  vi.advanceTimersByTime(ms)
  const before = readable(written)
  written = ''
  endProgress()
  return { before, end: readable(written) }
}

test('a terminal shows how many records, and how fast, and so does the end', () => {
  const { before, end } = shown({ isTTY: true, ms: 100 })
  expect(before).toMatch(/^⌫23 records {2}[\d,]+\/s {2}\d+\.\d s$/)
  expect(end).toMatch(/^⌫23 records {2}[\d,]+\/s {2}\d+\.\d s\n$/)
})

test('where there is no terminal it is a line now and then, without control characters', () => {
  const { before, end } = shown({ isTTY: false, ms: 20_000 })
  expect(before).toMatch(/^23 records.*\n23 records.*\n$/)
  expect(end).toMatch(/^23 records/)
})

test('a line takes the place of a status, and of the ^C that a terminal shows', () => {
  process.stderr.isTTY = true
  const ended = untilSignal()
  process.emit('SIGINT', 'SIGINT')
  ended.dispose()
  expect(readable(written)).toBe(
    '⌫SIGINT: finishing what is in flight; send it again to exit at once\n',
  )
})

test('a line for a file is nothing but the line', () => {
  process.stderr.isTTY = false
  sayOnOwnLine('line')
  expect(written).toBe('line\n')
})
