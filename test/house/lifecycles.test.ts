import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LifecycleTable } from '../../src/kernel/lifecycle.ts'
import { followersOf, statesOf, TABLES } from '../support/lifecycles.ts'
import { ROOT } from '../support/paths.ts'

// The diagrams of docs/lifecycles.md are drawn from the tables. To draw them anew:
//   npx vitest run --config .config/vitest.ts test/house/lifecycles.test.ts -u

const PAGE = join(ROOT, 'docs/lifecycles.md')

/** As Mermaid draws it. */
function diagramOf(table: LifecycleTable<string>): string {
  const steps = statesOf(table).flatMap((state) => {
    const followers = followersOf(table, state)
    if (followers.length === 0) return [`${state} --> [*]`]
    return followers.map(([follower, why]) => `${state} --> ${follower} : ${why}`)
  })
  const lines = ['stateDiagram-v2', `[*] --> ${table.first}`, ...steps]
  return ['```mermaid', lines.join('\n    '), '```'].join('\n')
}

/** The page with each diagram as its table is now, between the comments that name it. */
function drawn(page: string): string {
  let text = page
  for (const [name, table] of Object.entries(TABLES)) {
    const [from, to] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`]
    const [start, end] = [text.indexOf(from), text.indexOf(to)]
    expect([name, start >= 0, end > start]).toEqual([name, true, true])
    text = text.slice(0, start) + from + diagramOf(table) + text.slice(end)
  }
  return text
}

test('the page of lifecycles shows each table as it is', async () => {
  await expect(drawn(readFileSync(PAGE, 'utf8'))).toMatchFileSnapshot(PAGE)
})

test('no table of the sources is left out', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const declared = sources
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'))
    .flatMap((text) => [...text.matchAll(/\bconst (\w+): LifecycleTable\b/g)])
    .map(([, name]) => name)
  expect(new Set(declared)).toEqual(new Set(Object.keys(TABLES)))
})
