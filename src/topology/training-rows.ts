import { TidemarkError } from '../kernel/errors.ts'
import type { Definition, MapStep, Step } from './definition.ts'
import { takesSecond } from './function-source.ts'
import { featuresBehind } from './graph.ts'

// The same topology with training rows: one for each event that reaches a model, in place of the
// model and of all that follows it.

/** The topic of the rows, if they come from one place. */
const TOPIC = 'rows'

type TimeOf = (event: unknown) => number

interface Featured {
  readonly event: Readonly<Record<string, unknown>>
  readonly features: Readonly<Record<string, number>>
}

/** Where a path of steps ends with rows: at a score step, or behind the last features. */
interface End {
  readonly step: string
  /** All features there, whichever of them the present models take. */
  readonly names: readonly string[]
  readonly timeOf: TimeOf
}

/**
 * Returns the topology with rows, and the features of a row by its topic. The value of a row is
 * `eventTime`, the fields, and all features in the author's order; NaN is null.
 *
 * @param fields of the event that rows have besides
 * @throws TidemarkError `NOT_SUPPORTED`: no event gets features, or its time is not in the event
 * alone
 */
export function withTrainingRows(
  definition: Definition,
  fields: readonly string[],
): { readonly definition: Definition; readonly features: ReadonlyMap<string, readonly string[]> } {
  const { name, source, then } = definition
  const { eventTimeMs } = source
  if (eventTimeMs === 'record' || takesSecond(eventTimeMs)) {
    const message = 'a training row needs an event time that is in the event alone'
    throw new TidemarkError('NOT_SUPPORTED', message, { where: name })
  }
  const timeOf = eventTimeMs as TimeOf
  const ends: End[] = []
  const topicOf = ({ step }: End) => (ends.length > 1 ? `${TOPIC}-${step}` : TOPIC)
  const rows = (end: End) => [rowStep(end, fields, topicOf(end))]
  withRows(then, { names: [], timeOf }, (end) => {
    ends.push(end)
    return rows(end)
  })
  if (ends.length === 0) {
    throw new TidemarkError('NOT_SUPPORTED', 'the topology has no features', { where: name })
  }
  return {
    definition: { ...definition, then: withRows(then, { names: [], timeOf }, rows) },
    features: new Map(ends.map((end) => [topicOf(end), end.names])),
  }
}

const timeOfWindow: TimeOf = (event) => (event as { readonly windowEndMs: number }).windowEndMs - 1

/** The steps up to the rows. Paths on which an event gets no features are left out. */
function withRows(
  then: readonly Step[],
  before: Pick<End, 'names' | 'timeOf'>,
  rows: (end: End) => Step[],
): Step[] {
  return then.flatMap((step): Step[] => {
    if (step.op === 'sink') return []
    if (step.op === 'score') return rows({ ...before, step: step.name })
    const here = { timeOf: before.timeOf, names: before.names }
    if (step.op === 'tumbling') here.timeOf = timeOfWindow
    if (step.op === 'features') here.names = step.features.map((feature) => feature.name)
    if (step.op === 'derive') here.names = featuresBehind(step, before.names)
    const behind = withRows(step.then, here, rows)
    const isLast = behind.length === 0 && (step.op === 'features' || step.op === 'derive')
    const steps = isLast ? rows({ ...here, step: step.name }) : behind
    return steps.length === 0 ? [] : [{ ...step, then: steps }]
  })
}

function rowStep({ step, names, timeOf }: End, fields: readonly string[], topic: string): MapStep {
  const to = (input: unknown) => {
    const { event, features } = input as Featured
    const row: Record<string, unknown> = { eventTime: timeOf(event) }
    for (const field of fields) row[field] = event[field] ?? null
    for (const name of names) row[name] = features[name]
    return row
  }
  const sink = { op: 'sink', name: topic, topic, key: null } as const
  return { op: 'map', name: `${step}-row`, to, then: [sink] }
}
