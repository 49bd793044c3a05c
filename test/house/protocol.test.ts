import { expect, test } from 'vitest'
import { filesIn, read } from './pages.ts'

// The rules of docs/protocol.md, and who cites them: `C3` of commits, `S1` of starts, `R4` of
// state.

const PAGE = 'docs/protocol.md'
const entries = read(PAGE).split(/^##+ (?=[A-Z])/m)
const rules = entries.flatMap((entry) => /^[CSR]\d+(?=\. )/.exec(entry)?.[0] ?? [])
const sources = ['src', 'test', 'docs'].flatMap((folder) =>
  filesIn(folder, /\.(ts|js|java|sh|md)$/),
)

interface Citation {
  readonly file: string
  readonly rule: string
}

const citations: Citation[] = sources
  .filter((file) => !file.startsWith('test/bench/') && file !== 'test/house/protocol.test.ts')
  .flatMap((file) => {
    const found = read(file).matchAll(/\b[CSR]\d{1,2}\b|\brules? \d+/g)
    return [...found].map(([rule]) => ({ file, rule }))
  })

test('the rules are numbered without a gap', () => {
  const wanted = ['C', 'S', 'R'].flatMap((letter) => {
    const count = rules.filter((rule) => rule.startsWith(letter)).length
    return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  })
  expect(rules).toEqual(wanted)
})

test('every rule has its reason', () => {
  const ofRules = entries.filter((entry) => /^[CSR]\d+\. /.test(entry))
  expect(ofRules.filter((entry) => !/^\*\*Why\.\*\* \S/m.test(entry))).toEqual([])
})

test('every rule that is cited in src, test or docs is on the page', () => {
  expect(citations.filter(({ file }) => file !== PAGE).length).toBeGreaterThan(30)
  expect(citations.filter(({ rule }) => !rules.includes(rule))).toEqual([])
})

test('every rule on the page is built: some source names it', () => {
  const built = citations
    .filter(({ file }) => file.startsWith('src/'))
    .flatMap(({ file, rule }) => [rule, ...rangesIn(read(file))])
  expect(rules.filter((rule) => !built.includes(rule))).toEqual([])
})

/** `C3 to C8` names those between as well. */
function rangesIn(text: string): string[] {
  return [...text.matchAll(/\b([CSR])(\d+) to \1(\d+)\b/g)].flatMap(([, letter, from, to]) => {
    const first = Number(from)
    return Array.from({ length: Number(to) - first + 1 }, (_, i) => `${letter}${first + i}`)
  })
}
