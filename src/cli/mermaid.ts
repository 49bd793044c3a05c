import type { Description, StepDescription } from '../engine/describe.ts'
import { formatDuration } from '../kernel/time.ts'

/** A topology as a Mermaid flowchart, left to right; paths of rejected events are dashed. */
export function mermaid(description: Description): string {
  const ids = new Map(description.steps.map((step, i) => [step.name, `step${i + 1}`]))
  const idOf = (name: string) => ids.get(name) ?? name
  const { source, deadLetterTopic, tables } = description
  const lines = [
    'flowchart LR',
    node('source', 'topic', source.topic),
    ...description.steps.map((step) => node(idOf(step.name), SHAPES[step.op], labelOf(step))),
    node('deadLetters', 'topic', deadLetterTopic),
    ...tables.map((table, i) => node(`table${i + 1}`, 'table', table.name)),
    ...description.first.map((name) => `  source --> ${idOf(name)}`),
    ...description.steps.flatMap((step) =>
      step.feeds.map((next) => `  ${idOf(step.name)} --> ${idOf(next)}`),
    ),
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
  if (step.op === 'score') return [`  ${id} -. not finite .-> deadLetters`]
  if (step.op !== 'features' && step.op !== 'tumbling' && step.op !== 'dedupe') return []
  const dropped = `${id}Dropped(("dropped"))`
  const duplicates = step.op === 'dedupe' ? [`  ${id} -. duplicate .-> ${dropped}`] : []
  if (onLate === 'dead-letter') return [`  ${id} -. late .-> deadLetters`, ...duplicates]
  return onLate === 'drop' ? [`  ${id} -. late .-> ${dropped}`, ...duplicates] : duplicates
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
  if (step.op === 'score') return String(detail['model'])
  if (step.op === 'tumbling') return `${step.name}: ${formatDuration(Number(detail['lengthMs']))}`
  if (step.op === 'dedupe') return `${step.name}: ${formatDuration(Number(detail['withinMs']))}`
  if (step.op !== 'features') return step.name
  return `${step.name}: ${Object.keys(detail['features'] ?? {}).length}`
}
