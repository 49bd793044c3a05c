import ts from 'typescript'
import { expect, test } from 'vitest'
import { filesIn, PAGES, proseOf, read } from './house/pages.ts'

// What a machine can hold of how the code reads. Links of the pages are held by
// house/links.test.ts, the page of error codes by house/errors-page.test.ts.

/** Columns of a comment, as of code. */
const WIDTH = 100
/** Lines of a file with its comments: longer ones have a second subject. */
const LINES = 480

const SOURCES = filesIn('src', /\.ts$/)
/** What `tidemark model types` writes is as wide as it is. */
const GENERATED = /\.model\.ts$/
const CODE = ['src', 'test', 'topologies']
  .flatMap((folder) => filesIn(folder, /\.ts$/))
  .filter((file) => !GENERATED.test(file))

/** Words that are not the field's, or that nobody says. The reader finds what to write instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/i, 'again, from scratch'],
  [/\bbe they\b/i, 'whether they are'],
  [/\bmanieth\b/i, 'which'],
  [/\b(thereof|therein|whereof|hereby|whilst)\b/i, 'shorter words'],
  [/\bdealt\b|\bdeals? (it|them )?out\b/i, 'assign'],
  [/\babilities of\b/i, 'API versions'],
  [/\bshut out\b/i, 'fenced'],
  [/\bfor so long\b/i, 'how long'],
  [/\bgets on\b/i, 'progress'],
  [/\bTODO\b|\bFIXME\b/, 'do it, or say why not'],
]

/** Calls that have a better way here. */
const CALLS: readonly (readonly [RegExp, string])[] = [
  [/\bMath\.random\(/, 'kernel/backoff.ts, kernel/seeded.ts or kernel/ids.ts'],
  [/\bconsole\.\w+\(/, 'the log, or print.ts'],
  [/\bJSON\.parse\(JSON\.stringify\(/, 'structuredClone'],
  [/\.forEach\(/, 'for … of'],
]

interface Comment {
  /** `file:line` of its first line. */
  readonly place: string
  readonly text: string
}

/** Columns of a line; a character beyond ASCII is one. */
function widthOf(line: string): number {
  return Array.from(line).length
}

function parsed(file: string): ts.SourceFile {
  return ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true)
}

/** Every comment of a file, without what only looks like one in a text. */
function commentsOf(file: string): Comment[] {
  const source = parsed(file)
  const { text } = source
  const found = new Map<number, Comment>()
  const visit = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.getEnd()) ?? []),
    ]
    for (const { pos, end } of ranges) {
      const line = source.getLineAndCharacterOfPosition(pos).line + 1
      found.set(pos, { place: `${file}:${line}`, text: text.slice(pos, end) })
    }
    for (const child of node.getChildren(source)) visit(child)
  }
  visit(source)
  return [...found.values()]
}

const comments = CODE.flatMap(commentsOf)

/** Each use of one of the words, with what to write instead. */
function usesOf(
  list: readonly (readonly [RegExp, string])[],
  texts: readonly Comment[],
): readonly string[] {
  return texts.flatMap(({ place, text }) =>
    list.flatMap(([pattern, instead]) => {
      const [used] = pattern.exec(text) ?? []
      return used === undefined ? [] : [`${place}: "${used}" (${instead})`]
    }),
  )
}

test('the search finds comments, and the words in them', () => {
  expect(comments.length).toBeGreaterThan(5_000)
  const bad = [{ place: 'a.ts:1', text: '/** It is dealt out anew. */' }]
  expect(usesOf(WORDS, bad)).toEqual([
    'a.ts:1: "anew" (again, from scratch)',
    'a.ts:1: "dealt" (assign)',
  ])
})

test(`no comment is wider than ${WIDTH} columns`, () => {
  const wide = CODE.flatMap((file) => {
    const lines = read(file).split('\n')
    return lines.flatMap((line, i) =>
      widthOf(line) > WIDTH && /^\s*(\/\/|\/?\*)/.test(line) ? [`${file}:${i + 1}`] : [],
    )
  })
  // Comments that name a lint rule and a reason have to stay on one line.
  const named = comments.filter(({ text }) => text.includes('oxlint-disable')).map((c) => c.place)
  expect(wide.filter((place) => !named.includes(place))).toEqual([])
})

test('comments and pages use the words of the field', () => {
  const pages = PAGES.map((page) => ({ place: page, text: proseOf(page) }))
  // Its list of words is here.
  const others = comments.filter(({ place }) => !place.startsWith('test/tidy.test.ts'))
  expect(usesOf(WORDS, [...others, ...pages])).toEqual([])
})

test('source calls nothing that has a better way', () => {
  const lines = SOURCES.flatMap((file) =>
    read(file)
      .split('\n')
      .map((text, i) => ({ place: `${file}:${i + 1}`, text })),
  )
  expect(usesOf(CALLS, lines)).toEqual([])
})

test(`no source file is longer than ${LINES} lines`, () => {
  expect(SOURCES.filter((file) => read(file).split('\n').length > LINES + 1)).toEqual([])
})

/** Exports of a file without a doc comment. Later overloads of a function share its first one. */
function undocumentedIn(file: string): string[] {
  const source = parsed(file)
  const documented = new Set<string>()
  const found: string[] = []
  for (const node of source.statements) {
    const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : []
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue
    const name = ts.isFunctionDeclaration(node) ? node.name?.text : undefined
    const ranges = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []
    const isDocumented = ranges.some(({ pos }) => source.text.startsWith('/**', pos))
    if (isDocumented && name !== undefined) documented.add(name)
    if (isDocumented || (name !== undefined && documented.has(name))) continue
    found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`)
  }
  return found
}

test('every export has a doc comment', () => {
  expect(SOURCES.flatMap(undocumentedIn)).toEqual([])
})
