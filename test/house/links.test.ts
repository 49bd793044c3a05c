import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'
import { anchorsOf, PAGES, proseOf } from './pages.ts'

interface Link {
  readonly from: string
  /** From the root. */
  readonly to: string
  readonly anchor: string | undefined
}

const links: Link[] = PAGES.flatMap((from) =>
  [...proseOf(from).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#')
      return { from, to: path === '' ? from : normalize(join(dirname(from), path)), anchor }
    }),
)

test('every link of a page leads to something', () => {
  expect(links.length).toBeGreaterThan(100)
  expect(links.filter(({ to }) => !existsSync(join(ROOT, to)))).toEqual([])
  const dead = links.filter(({ to, anchor }) => {
    return anchor !== undefined && (!to.endsWith('.md') || !anchorsOf(to).has(anchor))
  })
  expect(dead).toEqual([])
})

test('every page can be reached from the README, or from the decisions, which are not packed', () => {
  const reached = new Set(['README.md', 'docs/decisions.md'])
  for (const page of reached) {
    for (const { from, to } of links) {
      if (from === page && to.endsWith('.md') && statSync(join(ROOT, to)).isFile()) reached.add(to)
    }
  }
  expect(PAGES.filter((page) => !reached.has(page))).toEqual([])
})
