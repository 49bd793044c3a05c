import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'
import { read } from './pages.ts'

interface Rule {
  readonly name: string
  readonly to: { readonly pathNot?: string }
}

const { forbidden } = createRequire(import.meta.url)(
  join(ROOT, '.config/dependency-cruiser.cjs'),
) as { forbidden: readonly Rule[] }

/** Rooms, each with what its rule lets it import besides itself. */
const ruled = forbidden.flatMap(({ name, to }) => {
  const room = /^(\w+)-imports-inward$/.exec(name)?.[1]
  if (room === undefined) return []
  const [, paths = ''] = /^\^src\/\((.*)\)$/.exec(to.pathNot ?? '') ?? []
  const all = paths.split('|').map((path) => path.replace(/\/$/, '').replaceAll('\\', ''))
  return [[room, all.filter((path) => path !== room).join(', ') || 'nothing'] as const]
})

test('docs/architecture.md has every room of the house, with what it may import', () => {
  const table = read('docs/architecture.md').split('<!-- rooms -->')[1]?.split('\n\n')[0] ?? ''
  const told = [...table.matchAll(/^\| `(\w+)` \| .+ \| (.+) \|$/gm)].map(([, room, imports]) => [
    room,
    imports?.replaceAll('`', ''),
  ])
  expect(ruled.length).toBeGreaterThan(10)
  expect(told).toEqual(ruled)
})
