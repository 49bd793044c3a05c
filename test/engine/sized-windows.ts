import { expect } from 'vitest'
import { rounded, Windowed } from './windowed.ts'

// Windows of a size that a bench looks at, against the naive oracle.

const STEP_MS = 10

/**
 * An event after another, one in five up to 2 % of the window behind; some texts come often, most
 * rarely.
 */
function entryAt(i: number, size: number, inOrder: boolean) {
  const behindMs = inOrder || i % 5 !== 0 ? 0 : ((i * 7_919) % Math.max(5, size / 50)) * STEP_MS
  return {
    timeMs: size * STEP_MS + i * STEP_MS - Math.floor(behindMs),
    amount: ((i * 104_729) % 10_007) / 100 - 20,
    shop: `shop ${i % 3 === 0 ? i % 9 : (i * i) % (size + 1)}`,
    refund: i % 7 === 0,
  }
}

/** A few rows over windows of so many events, and what the oracle gives. */
export function rowsOver(size: number, rows: number, inOrder: boolean) {
  const lengthMs = size * STEP_MS
  const windowed = new Windowed([lengthMs / 10, lengthMs])
  const answers: { got: number[]; expected: number[] }[] = []
  const count = Math.floor(size * 1.3) + 40
  let newestMs = 0
  for (let i = 0; i < count; i++) {
    const entry = entryAt(i, size, inOrder)
    newestMs = Math.max(newestMs, entry.timeMs)
    const floorMs = newestMs - lengthMs * 1.05
    if (i % Math.ceil(size / 20) === 0) windowed.prune(floorMs)
    windowed.insert(entry)
    if (i % Math.floor(count / rows) !== Math.floor(count / rows) - 1) continue
    for (const timeMs of [entry.timeMs, entry.timeMs - lengthMs / 50]) {
      answers.push({
        got: windowed.write(timeMs, floorMs),
        expected: windowed.naive(timeMs, floorMs),
      })
    }
  }
  expect(windowed.history.size).toBeGreaterThanOrEqual(size)
  expect(answers.length).toBeGreaterThanOrEqual(rows * 2)
  return {
    got: answers.map((a) => rounded(a.got)),
    expected: answers.map((a) => rounded(a.expected)),
  }
}
