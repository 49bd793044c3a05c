import { readFileSync } from 'node:fs'
import pc from 'picocolors'
import { expect, onTestFinished, test, vi } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit.ts'
import { describeFailure, printable, sayNotes, sayTo, writeResult } from '../../src/cli/print.ts'
import { type Code, Refused, TidemarkError } from '../../src/kernel/errors.ts'
import { plural, shownMs } from '../../src/kernel/wording.ts'

const plain = pc.createColors(false)
const input = new TidemarkError(
  'MODEL_INPUT',
  'model "m" takes 12 features, the topology gives 13',
  {
    where: 'topologies/card-fraud.ts',
    hint: 'train it on these features',
  },
)

test('every fault is shown with its place and its hint', () => {
  const other = new TidemarkError('TOPIC_MISSING', 'topic "t" does not exist')
  expect(describeFailure(new Refused([input, other]), false, plain)).toBe(
    [
      '✗ MODEL_INPUT  model "m" takes 12 features, the topology gives 13',
      '  topologies/card-fraud.ts',
      '  hint: train it on these features',
      '✗ TOPIC_MISSING  topic "t" does not exist',
    ].join('\n'),
  )
})

test('an error without a code is a bug; its stack is shown when wanted', () => {
  const bug = new TypeError('x is not a function')
  expect(describeFailure(bug, false, plain)).toBe(
    '✗ INVARIANT  x is not a function\n  hint: this is a bug; TIDEMARK_LOG_LEVEL=debug shows where',
  )
  expect(describeFailure(bug, true, plain)).toContain('print.test.ts')
})

test('what the operating system refuses is no bug', () => {
  const thrown = (() => {
    try {
      return readFileSync('README.md/nothing')
    } catch (error) {
      return error
    }
  })()
  expect(describeFailure(thrown, false, plain)).toMatch(
    /^✗ ENOTDIR {2}ENOTDIR: not a directory[^\n]*$/,
  )
})

test('colours only when they are asked for', () => {
  expect(describeFailure(input, false, pc.createColors(true))).toContain('\x1b[31m✗')
})

test.each<[string, unknown, number]>([
  ['a bug', new Error('x'), 1],
  ['a group that failed', fault('GROUP_FAILED'), 1],
  ['a wrong configuration', fault('CONFIG_INVALID'), 3],
  ['a model that does not fit', new Refused([fault('MODEL_INPUT'), fault('MODEL_SHA256')]), 3],
  ['no broker', fault('BROKER_UNAVAILABLE'), 4],
  ['a login that is refused', fault('AUTHENTICATION'), 4],
  ['missing topics', new Refused([fault('TOPIC_MISSING'), fault('TOPIC_MISSING')]), 4],
  [
    'a missing topic and a wrong model',
    new Refused([fault('TOPIC_MISSING'), fault('MODEL_FILE')]),
    3,
  ],
])('%s ends with its exit code', (_, thrown, code) => {
  expect(exitCodeOf(thrown)).toBe(code)
})

function fault(code: Code): TidemarkError {
  return new TidemarkError(code, 'x')
}

test('numbers of things read as people say them', () => {
  expect([plural(1, 'record'), plural(12_345, 'record')]).toEqual(['1 record', '12,345 records'])
})

test('a time has three digits that count', () => {
  expect([0.0004, 0.25, 1.5, 12.25, 1_234.5].map(shownMs)).toEqual([
    '0.000',
    '0.250',
    '1.50',
    '12.3',
    '1,235',
  ])
})

test('JSON of a result controls no terminal, and is the same value', async () => {
  const result = { 'ke\u009by': ['\u202edlq', '\u001b[2J', 'é'], n: 1 }
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((_, ...[done]: unknown[]) => {
    if (typeof done === 'function') done()
    return true
  })
  await writeResult(true, result, '')
  const text = String(stdout.mock.calls[0]?.[0])
  stdout.mockRestore()
  expect(JSON.parse(text)).toEqual(result)
  expect(text).toContain('\n  "n": 1\n')
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
})

test('lines and notes with names that others chose control no terminal', () => {
  expect(printable(['group x\u001b[2J\ny on t', 'partition'])).toBe(
    'group x\\u001b[2J\\u000ay on t\npartition\n',
  )
  const said: string[] = []
  sayTo({ write: (text) => said.push(text) })
  onTestFinished(() => sayTo(process.stderr))
  sayNotes(['members: a\r\u202eb'])
  expect(said.join('')).toContain('! members: a\\u000d\\u202eb\n')
})
