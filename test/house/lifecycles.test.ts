import { expect, test } from 'vitest'
import { TABLES } from '../support/lifecycles.ts'
import { filesIn, read } from './pages.ts'

test('docs/lifecycles.md has every table of states that the sources have', () => {
  const declared = filesIn('src', /\.ts$/)
    .flatMap((file) => [...read(file).matchAll(/\bconst (\w+): LifecycleTable\b/g)])
    .map(([, name]) => name)
  expect(new Set(declared)).toEqual(new Set(Object.keys(TABLES)))
})
