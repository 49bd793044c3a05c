import { expect, test } from 'vitest'
import { GENERATED } from './generated-pages.ts'
import { read } from './pages.ts'

test.each(Object.entries(GENERATED))('%s is as `npm run docs` writes it', (page, text) => {
  expect(read(page)).toBe(text())
})
