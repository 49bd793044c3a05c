import { expect, test } from 'vitest'
import { read } from './pages.ts'

// docs/errors.md against src/kernel/errors.ts.

const codes = new Map(
  [...read('src/kernel/errors.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+): '(.+)',$/gm)].map(
    ([, code, action]) => [code as string, action as string],
  ),
)

/** By section, the rows of its table. */
const rows = read('docs/errors.md')
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const title = section.split('\n')[0] as string
    return [...section.matchAll(/^\| `([A-Z0-9_]+)` \| (.+) \|$/gm)].map(([, code, rest]) => ({
      code: code as string,
      title,
      cells: (rest as string).split(' | '),
    }))
  })

test('every error code is on the page once, with a cause and a cure', () => {
  expect(codes.size).toBeGreaterThan(50)
  expect(rows.map(({ code }) => code).sort()).toEqual([...codes.keys()].sort())
  expect(
    rows.filter(({ cells }) => cells.length < 2 || cells.some((c) => c.trim() === '')),
  ).toEqual([])
})

test('every code stands under what is done about it', () => {
  const wrong = rows.filter(({ code, title, cells }) => {
    const action = codes.get(code)
    if (title === 'Dead letters') return action !== 'dead-letter'
    if (title === 'While it runs') return action !== cells[0]
    return action !== 'refuse'
  })
  expect(wrong).toEqual([])
})
