import { expect, test } from 'vitest'
import { type CpuProfile, stageTimes } from './cpu-profile.ts'

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 0 })

/**
 * main calls take in a.js, which calls a helper and V8's stringify; main also calls the helper
 * directly.
 */
const nodes: CpuProfile['nodes'] = [
  { id: 1, callFrame: frame('(root)'), children: [2, 7] },
  { id: 2, callFrame: frame('main', 'file:///x/main.js'), children: [3, 6] },
  { id: 3, callFrame: frame('take', 'file:///x/a.js'), children: [4, 5] },
  { id: 4, callFrame: frame('help', 'file:///x/help.js'), children: [8] },
  { id: 5, callFrame: frame('stringify') },
  { id: 6, callFrame: frame('help', 'file:///x/help.js') },
  { id: 7, callFrame: frame('(idle)') },
  { id: 8, callFrame: frame('put', 'file:///x/b.js') },
]

function stageOf({ functionName, url }: { functionName: string; url: string }): string | null {
  if (functionName === '(idle)') return 'idle'
  return /([ab])\.js$/.exec(url)?.[1] ?? null
}

function timesOf(samples: readonly number[], timeDeltas: readonly number[]) {
  const { stages, others } = stageTimes({ nodes, samples, timeDeltas }, stageOf)
  return { stages: Object.fromEntries(stages), others: Object.fromEntries(others) }
}

test('a function without a stage counts for its nearest caller that has one', () => {
  expect(timesOf([3, 4, 5, 3], [0, 10, 20, 30]).stages).toEqual({ a: 60 })
  expect(timesOf([8, 3, 8], [0, 40, 2]).stages).toEqual({ a: 2, b: 40 })
})

test('if no caller has a stage, the function is listed under others', () => {
  expect(timesOf([6, 2, 6, 7], [0, 10, 20, 30, 0])).toEqual({
    stages: { idle: 0 },
    others: { 'help x/help.js': 40, 'main x/main.js': 20 },
  })
})

test('a sample lasts until the next; the duration of the last one is unknown', () => {
  expect(timesOf([7, 3, 7], [900, 10, 20]).stages).toEqual({ idle: 10, a: 20 })
})
