import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type Finding, ModelCache, usersModelCache } from '../../src/scoring/model-cache.ts'
import { loadScorers } from '../../src/scoring/models.ts'
import { isUndisturbed, readCost } from '../../src/scoring/warm-up.ts'
import { cardModel, useOf } from './support.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-cache-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
  vi.unstubAllEnvs()
})

/** A finding that counts how often it is determined. */
function counted(dependsOn: object, found: number) {
  const count = { found: 0 }
  const finding: Finding<number> = {
    kind: 'costs',
    dependsOn,
    read: (kept) => (typeof kept === 'number' ? kept : null),
    find: async () => {
      count.found++
      return found
    },
  }
  return { finding, count }
}

it('determines a finding once, also for later starts', async () => {
  const { finding, count } = counted({ of: 'a' }, 7)
  expect(await new ModelCache(folder).obtain(finding)).toBe(7)
  expect(await new ModelCache(folder).obtain(finding)).toBe(7)
  expect(count.found).toBe(1)
})

it('determines a finding once for all that ask meanwhile, and again after a failure', async () => {
  const cache = new ModelCache(folder)
  const { finding, count } = counted({ of: 'a' }, 7)
  const failing: Finding<number> = { ...finding, find: () => Promise.reject(new Error('no')) }
  const both = await Promise.allSettled([cache.obtain(failing), cache.obtain(failing)])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await Promise.all([cache.obtain(finding), cache.obtain(finding)])).toEqual([7, 7])
  expect(count.found).toBe(1)
})

it('determines it again for anything else', async () => {
  const cache = new ModelCache(folder)
  await cache.obtain(counted({ of: 'a' }, 7).finding)
  expect(await cache.obtain(counted({ of: 'b' }, 8).finding)).toBe(8)
})

it('determines a damaged finding again and caches it', async () => {
  const { finding, count } = counted({ of: 'a' }, 7)
  await new ModelCache(folder).obtain(finding)
  const [name = ''] = readdirSync(join(folder, 'costs'))
  for (const damage of ['', '{', '"text"']) {
    writeFileSync(join(folder, 'costs', name), damage)
    expect(await new ModelCache(folder).obtain(finding)).toBe(7)
  }
  expect(count.found).toBe(4)
  await new ModelCache(folder).obtain(finding)
  expect(count.found).toBe(4)
})

it.each([
  ['without a folder', null],
  ['in a folder that cannot be written', '/dev/null/tidemark'],
])('caches in memory %s', async (_, place) => {
  const { finding, count } = counted({ of: 'a' }, 7)
  const cache = new ModelCache(place)
  await cache.obtain(finding)
  await cache.obtain(finding)
  expect(count.found).toBe(1)
  await new ModelCache(place).obtain(finding)
  expect(count.found).toBe(2)
})

it('does not cache a finding that is not worth keeping', async () => {
  const { finding, count } = counted({ of: 'a' }, 7)
  const cache = new ModelCache(folder)
  for (let i = 0; i < 2; i++) await cache.obtain({ ...finding, isWorthKeeping: () => false })
  expect(count.found).toBe(2)
  expect(readdirSync(folder)).toEqual([])
})

it('writes nothing for a user without a home, not even to the working directory', async () => {
  vi.stubEnv('XDG_CACHE_HOME', 'relative')
  vi.stubEnv('HOME', '')
  const before = readdirSync('.')
  const { finding, count } = counted({ of: 'a' }, 7)
  await usersModelCache().obtain(finding)
  await usersModelCache().obtain(finding)
  expect(count.found).toBe(2)
  expect(readdirSync('.')).toEqual(before)
})

it('keeps how a model is computed', async () => {
  const use = useOf(cardModel('card-mlp'))
  const { scorers } = await loadScorers([use], new Map(), { cache: new ModelCache(folder) })
  for (const scorer of scorers.values()) await scorer.close()
  expect(readdirSync(folder)).toContain('trees')
})

it('refuses invalid costs', () => {
  const cost = { baseMs: 0.1, rowMs: 0.01 }
  expect(readCost({ cpu: cost, elapsed: cost })).toEqual({ cpu: cost, elapsed: cost })
  for (const none of [
    null,
    {},
    { cpu: cost },
    { cpu: cost, elapsed: { baseMs: 0, rowMs: 0 } },
    { cpu: cost, elapsed: { baseMs: 'a', rowMs: 1 } },
  ]) {
    expect(readCost(none)).toBeNull()
  }
})

it('does not cache a cost measured on a busy machine', () => {
  const cpu = { baseMs: 0.1, rowMs: 0.01 }
  expect(isUndisturbed({ cpu, elapsed: { baseMs: 0.12, rowMs: 0.011 } })).toBe(true)
  expect(isUndisturbed({ cpu, elapsed: { baseMs: 0.1, rowMs: 0.02 } })).toBe(false)
})
