import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { Share } from '../../src/kernel/shares.ts'
import { blocksOf, read } from './pages.ts'

// Who is in a share, as docs/several-models.md tells it to other systems.

const PAGE = 'docs/several-models.md'
const SHARES = [0.01, 0.05, 0.1, 0.2]

/** The rows of the table: key, place, and whether it is in each share. */
const rows = [...read(PAGE).matchAll(/^\| `(card-\d+)` \| (\d+) \| (.+) \|$/gm)].map(
  ([, key = '', place = '', isIn = '']) => ({ key, place, isIn: isIn.split(' | ') }),
)

test('the keys of the table are in the shares that it says', () => {
  expect(rows.length).toBeGreaterThan(3)
  for (const { key, isIn } of rows) {
    const own = SHARES.map((share) => (new Share('canary', share).has(key) ? 'yes' : 'no'))
    expect({ key, isIn }).toEqual({ key, isIn: own })
  }
})

test('the Python of the page gives the places of the table', ({ skip }) => {
  const [program] = blocksOf(PAGE).filter(({ language }) => language === 'python')
  const python = spawnSync('python3', ['-c', program?.text ?? ''], { encoding: 'utf8' })
  if (python.error !== undefined) skip('PYTHON OF THE PAGES: NOT TESTED (no python3)')
  const wanted = rows.map(({ key, place, isIn }) => {
    return `${key} ${place} ${isIn[2] === 'yes' ? 'True' : 'False'}`
  })
  expect(python.stdout.trimEnd().split('\n')).toEqual(wanted)
})
