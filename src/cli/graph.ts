import { Command, Option } from 'commander'
import { functionReadings } from '../engine/author-functions.ts'
import { describe } from '../engine/describe.ts'
import type { DisplayEdge, DisplayExit, StepDisplay } from '../engine/operators/rule.ts'
import { planOf } from '../engine/plan.ts'
import { loadTopologies } from '../host/author-files.ts'
import { refuseIfAny } from '../kernel/errors.ts'
import type { Definition } from '../topology/definition.ts'
import { stepsAfter } from '../topology/graph.ts'
import type { OnLate } from '../topology/source.ts'
import { write } from './print.ts'

/** `tidemark graph FILE` */
export function graph(): Command {
  return new Command('graph')
    .description('show what a topology reads, stores, computes and writes')
    .argument('<file>', 'topology')
    .addOption(
      new Option('--format <name>', 'output format')
        .choices(['mermaid', 'json'])
        .default('mermaid'),
    )
    .action(async (file: string, flags: { format: 'mermaid' | 'json' }) => {
      const { definitions, faults } = await loadTopologies([file])
      refuseIfAny(faults)
      const topology = definitions[0] as Definition
      const whole = () => ({ ...describe(topology), functions: functionReadings(topology) })
      const text = flags.format === 'json' ? JSON.stringify(whole(), null, 2) : mermaid(topology)
      await write(`${text}\n`)
    })
}

/** A topology as a Mermaid flowchart, left to right; paths of rejected events are dashed. */
export function mermaid(definition: Definition): string {
  const { source, deadLetterTopic, then } = definition
  const tables = [...definition.tables, ...definition.stores]
  const steps = planOf(definition).map(({ step, rule }, i) => {
    const next = stepsAfter(step).map(({ name }) => name)
    const { late: isLate = false } = rule.outcomes
    return { id: `step${i + 1}`, name: step.name, next, isLate, ...rule.display(step) }
  })
  const ids = new Map(steps.map(({ id, name }) => [name, id]))
  const idOf = (name: string) => ids.get(name) ?? name
  const tableIds = new Map(tables.map(({ name }, i) => [name, `table${i + 1}`]))
  return [
    'flowchart LR',
    node('source', 'topic', source.topic),
    ...steps.map(({ id, shape, label }) => node(id, shape, label)),
    ...steps.flatMap(({ id, parts = [] }) =>
      parts.map((part) => node(`${id}${part.id}`, part.shape, part.label)),
    ),
    node('deadLetters', 'topic', deadLetterTopic),
    ...tables.map((table, i) => node(`table${i + 1}`, 'table', table.name)),
    ...then.map(({ name }) => edge({ from: 'source', to: idOf(name) })),
    ...steps.flatMap(({ id, next, last = [''] }) =>
      next.flatMap((name) => last.map((part) => edge({ from: `${id}${part}`, to: idOf(name) }))),
    ),
    ...steps.flatMap(({ id, edges = [] }) =>
      edges.map((inner) => edge({ ...inner, from: `${id}${inner.from}`, to: `${id}${inner.to}` })),
    ),
    rejected('source', 'malformed', 'deadLetters'),
    ...steps.flatMap(({ id, looksUp = [] }) =>
      [...new Set(looksUp)].map((table) => edge({ from: tableIds.get(table) ?? table, to: id })),
    ),
    ...steps.flatMap(({ id, isLate, exits = [] }) =>
      [...(isLate ? LATE_EXITS[source.onLate] : []), ...exits].map(({ from, label, to }) =>
        rejected(`${id}${from}`, label, to === 'dropped' ? `${id}Dropped(("dropped"))` : to),
      ),
    ),
  ].join('\n')
}

const LATE_EXITS: Readonly<Record<OnLate, readonly DisplayExit[]>> = {
  'dead-letter': [{ from: '', label: 'late', to: 'deadLetters' }],
  drop: [{ from: '', label: 'late', to: 'dropped' }],
  score: [],
}

const BRACKETS = {
  topic: ['[["', '"]]'],
  table: ['[("', '")]'],
  step: ['["', '"]'],
  choice: ['{"', '"}'],
  model: ['(["', '"])'],
} as const satisfies Record<StepDisplay['shape'] | 'table', readonly [string, string]>

function node(id: string, shape: keyof typeof BRACKETS, label: string): string {
  const [open, close] = BRACKETS[shape]
  return `  ${id}${open}${label.replaceAll('"', '#quot;')}${close}`
}

function edge({ from, to, label, isDashed = false }: DisplayEdge): string {
  if (isDashed) return `  ${from} ${label === undefined ? '-.->' : `-. ${label} .->`} ${to}`
  return `  ${from} ${label === undefined ? '-->' : `-- ${label} -->`} ${to}`
}

/** The path of events that do not go on. */
function rejected(from: string, label: string, to: string): string {
  return edge({ from, to, label, isDashed: true })
}
