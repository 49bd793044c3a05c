import { expect, test } from 'vitest'
import { type Block, blocksOf, PAGES } from './pages.ts'

// The blocks of the pages. Blocks for the compiler are in test/long/types.test.ts, commands in
// test/long/page-commands.test.ts.

const blocks = PAGES.flatMap(blocksOf)
const of = (language: string) => blocks.filter((block) => block.language === language)
const placeOf = ({ page, line }: Block) => `${page}:${line}`

test('every block is of a kind that is held to something', () => {
  // A block without a language is a picture, or an example of input or output.
  const kinds = ['', 'ts', 'ts feature', 'sh', 'json', 'mermaid', 'console', 'python']
  expect(blocks.length).toBeGreaterThan(60)
  expect(blocks.filter(({ language }) => !kinds.includes(language)).map(placeOf)).toEqual([])
})

test('every block of JSON and of Mermaid can be read', () => {
  for (const { text } of of('json')) JSON.parse(text)
  const unknown = of('mermaid').filter(
    ({ text }) => !/^(flowchart|sequenceDiagram|stateDiagram-v2)\b/.test(text),
  )
  expect(unknown.map(placeOf)).toEqual([])
})
