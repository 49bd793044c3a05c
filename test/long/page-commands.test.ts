import { expect, test } from 'vitest'
import { blocksOf, PAGES } from '../house/pages.ts'
import { tidemark } from '../services/tidemark-in-test.ts'

// Commands print what the pages show.

const consoles = PAGES.flatMap(blocksOf)
  .filter(({ language }) => language === 'console')
  .map(({ page, line, text }) => [`${page}:${line}`, text] as const)

test.each(consoles)('what a command prints is what the page says: %s', async (_, text) => {
  const [command = '', ...wanted] = text.trimEnd().split('\n')
  const [, args] = /^\$ npx tidemark (.+)$/.exec(command) ?? []
  expect(args).toBeDefined()
  const { stdout, stderr } = await tidemark((args as string).split(' '))
  const printed = `${stdout}${stderr}`
  // `…` stands for lines, or the rest of one.
  for (const line of wanted.filter((l) => l !== '…')) {
    expect(printed).toContain(line.replace(/…$/, ''))
  }
})

test('the demo prints what the README says', async () => {
  const [block] = blocksOf('README.md').filter(({ text }) => text.includes('demo: '))
  const { stdout, stderr } = await tidemark(['demo', '--seconds', '0'])
  const printed = `${stdout}${stderr}`.split('\n').map(flat)
  const lines = (block?.text ?? '').split('\n').filter((line) => line !== '' && line !== '…')
  expect(lines.length).toBeGreaterThan(5)
  expect(lines.map(flat).filter((line) => !printed.includes(line))).toEqual([])
})

/** Without columns; which flights are shown depends on the pace, so one is told by its form. */
function flat(line: string): string {
  const text = line.replace(/ +/g, ' ').trim()
  return /^[A-Z][a-z]{2} \d\d /.test(text)
    ? text.replace(/\b(?=\w*\d)\w+|\b[A-Z]{3}\b|^\w+/g, '#')
    : text
}
