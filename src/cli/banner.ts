import { packageVersion } from '../kernel/node.ts'
import { colors, say, sayNotes } from './print.ts'
import type { RunConfig } from './run-config.ts'

/** What the banner shows of a topology. */
interface TopologyOutline {
  /** The path from its source to its sinks, one line per sink. */
  readonly summary: string
  /** One line per model. */
  readonly models: readonly string[]
  /** One line per model that is only watched. */
  readonly shadows: readonly string[]
  /** The value of the header `tidemark-by` in its outputs. */
  readonly by: string
}

/** What the banner shows of a checked configuration, before anything runs. */
export interface RunOutline {
  readonly group: string
  readonly topologies: readonly TopologyOutline[]
  /** One line for each variant of a score step, and one before them. */
  readonly variants: readonly string[]
  readonly notes: readonly string[]
}

/** What is known only just before it runs. */
interface RunPlace {
  /** The workers' names, for display. */
  readonly names: string
  readonly http: { readonly host: string; readonly port: number } | null
}

/** Prints what is about to run, and where. */
export function banner(
  { group, topologies, variants, notes }: RunOutline,
  config: RunConfig,
  { names, http }: RunPlace,
): void {
  const { dim, bold } = colors
  const line = (name: string, value: string) => say(`  ${dim(name.padEnd(9))}  ${value}`)
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const { summary, models, shadows, by } of topologies) {
    line('topology', summary)
    for (const model of models) line('model', model)
    for (const shadow of shadows) line('shadow', shadow)
    line('by', by)
  }
  for (const variant of variants) line('variant', variant)
  line('brokers', config.brokers.join(', '))
  line('group', group)
  const { guarantee, commitInterval, workers } = config
  line(workers === 1 ? 'worker' : 'workers', names)
  line(
    'guarantee',
    commitInterval === null ? guarantee : `${guarantee}, a commit every ${commitInterval} ms`,
  )
  line('http', http === null ? 'off' : `http://${http.host}:${http.port}/metrics /livez /readyz`)
  sayNotes(notes)
}
