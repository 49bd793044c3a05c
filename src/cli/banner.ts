import { packageVersion } from '../host/version.ts'
import { colors, say, sayNotes } from './print.ts'
import type { RunConfig } from './run-config.ts'

/** What is told of a topology before it runs. */
interface TopologyOutline {
  /** Its way from source to sinks. */
  readonly summary: string
  /** A line for each model. */
  readonly models: readonly string[]
  /** What outputs carry as `tidemark-by`. */
  readonly by: string
}

/** What is told before anything runs, once it is checked. */
export interface RunOutline {
  readonly group: string
  readonly topologies: readonly TopologyOutline[]
  readonly notes: readonly string[]
}

/** What is known once it is about to run. */
interface RunPlace {
  /** Names of workers. */
  readonly names: string
  readonly http: { readonly host: string; readonly port: number } | null
}

/** Says what runs where, before it does. */
export function banner(
  { group, topologies, notes }: RunOutline,
  config: RunConfig,
  { names, http }: RunPlace,
): void {
  const { dim, bold } = colors
  const line = (name: string, value: string) => say(`  ${dim(name.padEnd(9))}  ${value}`)
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const { summary, models, by } of topologies) {
    line('topology', summary)
    for (const model of models) line('model', model)
    line('by', by)
  }
  line('brokers', config.brokers.join(', '))
  line('group', group)
  const { guarantee, commitInterval, workers } = config
  line(workers === 1 ? 'worker' : 'workers', names)
  line(
    'guarantee',
    commitInterval === null ? guarantee : `${guarantee}, a commit each ${commitInterval} ms`,
  )
  line('http', http === null ? 'off' : `http://${http.host}:${http.port}/metrics /livez /readyz`)
  sayNotes(notes)
}
