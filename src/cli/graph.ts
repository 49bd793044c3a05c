import { Command, Option } from 'commander'
import { functionReadings } from '../engine/author-functions.ts'
import { type Description, describe, type StepDescription } from '../engine/describe.ts'
import { formatDuration } from '../kernel/time.ts'
import { loadTopology } from './author-files.ts'
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
      const topology = await loadTopology(file)
      const description = describe(topology)
      const whole = () => ({ ...description, functions: functionReadings(topology) })
      const text = flags.format === 'json' ? JSON.stringify(whole(), null, 2) : mermaid(description)
      await write(`${text}\n`)
    })
}

/** A topology as a Mermaid flowchart, left to right; paths of rejected events are dashed. */
export function mermaid(description: Description): string {
  const ids = new Map(description.steps.map((step, i) => [step.name, `step${i + 1}`]))
  const idOf = (name: string) => ids.get(name) ?? name
  const { source, deadLetterTopic, tables } = description
  const lines = [
    'flowchart LR',
    node('source', 'topic', source.topic),
    ...description.steps.map((step) => node(idOf(step.name), shapeOf(step), labelOf(step))),
    ...description.steps.flatMap((step) => modelNodes(step, idOf(step.name))),
    node('deadLetters', 'topic', deadLetterTopic),
    ...tables.map((table, i) => node(`table${i + 1}`, 'table', table.name)),
    ...description.first.map((name) => `  source --> ${idOf(name)}`),
    ...description.steps.flatMap((step) =>
      step.feeds.flatMap((next) =>
        lastOf(step, idOf(step.name)).map((last) => `  ${last} --> ${idOf(next)}`),
      ),
    ),
    ...description.steps.flatMap((step) => modelEdges(step, idOf(step.name))),
    '  source -. malformed .-> deadLetters',
  ]
  const firstFeatures = description.steps.find((step) => step.op === 'features')
  if (firstFeatures !== undefined) {
    lines.push(...tables.map((_, i) => `  table${i + 1} --> ${idOf(firstFeatures.name)}`))
  }
  for (const step of description.steps) lines.push(...exitsOf(step, idOf(step.name), source.onLate))
  return lines.join('\n')
}

/** The paths of events that do not continue to the next step. */
function exitsOf(step: StepDescription, id: string, onLate: string): string[] {
  if (step.op === 'score') return scoreExits(step, id)
  if (step.op !== 'features' && step.op !== 'tumbling' && step.op !== 'dedupe') return []
  const dropped = `${id}Dropped(("dropped"))`
  const duplicates = step.op === 'dedupe' ? [`  ${id} -. duplicate .-> ${dropped}`] : []
  if (onLate === 'dead-letter') return [`  ${id} -. late .-> deadLetters`, ...duplicates]
  return onLate === 'drop' ? [`  ${id} -. late .-> ${dropped}`, ...duplicates] : duplicates
}

/** The detail of a score step with several models, from `describe`. */
interface SeveralModels {
  readonly models: Readonly<Record<string, { readonly model: string }>>
  readonly routes?: readonly {
    readonly name: string
    readonly to: string
    readonly when: string | null
    readonly share: number | null
  }[]
  readonly otherwise?: string
  readonly fallback?: { readonly to: string }
  readonly shadows?: readonly {
    readonly model: string
    readonly sink: { readonly topic: string } | null
    readonly share: number
  }[]
}

/** The models of a step; `null`: it has one, which its own node stands for. */
function severalOf({ op, detail }: StepDescription): SeveralModels | null {
  return op === 'score' && 'models' in detail ? (detail as unknown as SeveralModels) : null
}

function modelNodes(step: StepDescription, id: string): string[] {
  const several = severalOf(step)
  if (several === null) return []
  const { models, shadows = [] } = several
  return [
    ...Object.entries(models).map(([name, { model }]) =>
      node(modelId(several, name, id), 'model', model === name ? name : `${name}: ${model}`),
    ),
    ...shadows.flatMap(({ sink }, i) =>
      sink === null ? [] : [node(`${id}Shadow${i + 1}`, 'topic', sink.topic)],
    ),
  ]
}

function modelId({ models }: SeveralModels, name: string, id: string): string {
  return `${id}Model${Object.keys(models).indexOf(name) + 1}`
}

/** The nodes from which the steps after a step get their events. */
function lastOf(step: StepDescription, id: string): string[] {
  const several = severalOf(step)
  if (several === null) return [id]
  const { models, routes = [], otherwise, fallback } = several
  const variants = otherwise === undefined ? Object.keys(models) : [otherwise]
  const names = new Set([
    ...routes.map(({ to }) => to),
    ...variants,
    ...(fallback ? [fallback.to] : []),
  ])
  return [...names].map((name) => modelId(several, name, id))
}

function modelEdges(step: StepDescription, id: string): string[] {
  const several = severalOf(step)
  if (several === null) return []
  const { models, routes = [], otherwise, fallback, shadows = [] } = several
  const idOf = (name: string) => modelId(several, name, id)
  const others =
    otherwise === undefined
      ? Object.keys(models).map((name) => `  ${id} -- variant --> ${idOf(name)}`)
      : [`  ${id} -- otherwise --> ${idOf(otherwise)}`]
  const primary = new Set([
    ...routes.map(({ to }) => to),
    ...(otherwise === undefined ? [] : [otherwise]),
  ])
  return [
    ...routes.map(({ name, to, share }) => {
      const part = share === null ? name : `${name}: ${Math.round(share * 1e4) / 100} %`
      return `  ${id} -- "${part}" --> ${idOf(to)}`
    }),
    ...others,
    ...[...primary]
      .filter((name) => fallback !== undefined && name !== fallback.to)
      .map((name) => `  ${idOf(name)} -. fallback .-> ${idOf(fallback?.to ?? '')}`),
    ...shadows.flatMap(({ model, sink, share }, i) => {
      const part = `shadow: ${Math.round(share * 1e4) / 100} %`
      const edge = `  ${id} -. "${part}" .-> ${idOf(model)}`
      return sink === null ? [edge] : [edge, `  ${idOf(model)} -.-> ${id}Shadow${i + 1}`]
    }),
  ]
}

function scoreExits(step: StepDescription, id: string): string[] {
  const several = severalOf(step)
  if (several === null) return [`  ${id} -. not finite .-> deadLetters`]
  const { fallback } = several
  const last = fallback === undefined ? lastOf(step, id) : [modelId(several, fallback.to, id)]
  return last.map((one) => `  ${one} -. not finite .-> deadLetters`)
}

type Shape = 'topic' | 'table' | 'step' | 'choice' | 'model'

const SHAPES = {
  sink: 'topic',
  where: 'choice',
  score: 'model',
  map: 'step',
  dedupe: 'step',
  features: 'step',
  tumbling: 'step',
} as const satisfies Record<StepDescription['op'], Shape>

function shapeOf(step: StepDescription): Shape {
  return severalOf(step) === null ? SHAPES[step.op] : 'choice'
}

const BRACKETS = {
  topic: ['[["', '"]]'],
  table: ['[("', '")]'],
  step: ['["', '"]'],
  choice: ['{"', '"}'],
  model: ['(["', '"])'],
} as const satisfies Record<Shape, readonly [string, string]>

function node(id: string, shape: Shape, label: string): string {
  const [open, close] = BRACKETS[shape]
  return `  ${id}${open}${label.replaceAll('"', '#quot;')}${close}`
}

function labelOf(step: StepDescription): string {
  const { detail } = step
  if (step.op === 'sink') return String(detail['topic'])
  if (step.op === 'score') return 'models' in detail ? step.name : String(detail['model'])
  if (step.op === 'tumbling') return `${step.name}: ${formatDuration(Number(detail['lengthMs']))}`
  if (step.op === 'dedupe') return `${step.name}: ${formatDuration(Number(detail['withinMs']))}`
  if (step.op !== 'features') return step.name
  return `${step.name}: ${Object.keys(detail['features'] ?? {}).length}`
}
