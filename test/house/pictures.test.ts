import { expect, test } from 'vitest'
import { tidemark } from '../services/tidemark-in-test.ts'
import { PAGES, read } from './pages.ts'

// A picture under a comment with a command is what that command prints.

const pictures = PAGES.flatMap((page) => {
  const found = read(page).matchAll(
    /^<!-- npx tidemark (graph [^\n]+) -->\n```mermaid\n(.*?)^```$/gms,
  )
  return [...found].map(([, command = '', text = '']) => ({ page, command, text }))
})

test('there are pictures', () => {
  expect(pictures.length).toBeGreaterThan(1)
})

test.each(pictures)(
  'the picture of a page is what is drawn: $page, $command',
  async ({ command, text }) => {
    const { stdout } = await tidemark(command.split(' '))
    expect(text.trimEnd()).toBe(stdout.trimEnd())
  },
)
