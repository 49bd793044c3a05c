import type { LifecycleTable } from '../../src/kernel/lifecycle.ts'
import { followersOf, statesOf, TABLES } from '../support/lifecycles.ts'
import { read } from './pages.ts'

/** docs/lifecycles.md with each diagram as its table is now, between the comments that name it. */
export function lifecycles(): string {
  let text = read('docs/lifecycles.md')
  for (const [name, table] of Object.entries(TABLES)) {
    const [from, to] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`]
    const [start, end] = [text.indexOf(from), text.indexOf(to)]
    if (start < 0 || end < start) throw new Error(`docs/lifecycles.md has no place for ${name}`)
    text = text.slice(0, start) + from + diagramOf(table) + text.slice(end)
  }
  return text
}

/** The table as a Mermaid diagram. */
function diagramOf(table: LifecycleTable<string>): string {
  const steps = statesOf(table).flatMap((state) => {
    const followers = followersOf(table, state)
    if (followers.length === 0) return [`${state} --> [*]`]
    return followers.map(([follower, why]) => `${state} --> ${follower} : ${why}`)
  })
  const lines = ['stateDiagram-v2', `[*] --> ${table.first}`, ...steps]
  return ['```mermaid', lines.join('\n    '), '```'].join('\n')
}
