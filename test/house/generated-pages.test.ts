import { expect, test } from 'vitest'
import { allDecisions, GENERATED } from './generated-pages.ts'
import { read } from './pages.ts'

test.each(Object.entries(GENERATED))('%s is as `npm run docs` writes it', (page, text) => {
  expect(read(page)).toBe(text())
})

test('every decision has a number of its own, a date, a reason and what was rejected', () => {
  const decisions = allDecisions()
  expect(decisions.length).toBeGreaterThan(150)
  const numbers = decisions.map(({ number }) => number)
  expect(new Set(numbers).size).toBe(numbers.length)
  const isWhole = ({ text }: { text: string }) =>
    /^\n\*2\d{3}-\d\d-\d\d[ *]/.test(text) &&
    /^\*\*Why\.\*\* \S/m.test(text) &&
    /^\*\*Rejected\.\*\* \S/m.test(text)
  expect(decisions.filter((d) => !isWhole(d)).map(({ title }) => title)).toEqual([])
})
