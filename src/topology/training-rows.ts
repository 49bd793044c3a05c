import { TidemarkError } from '../kernel/errors.ts'
import type { Definition, MapStep, Step } from './definition.ts'
import { takesSecond } from './function-source.ts'
import { byKind, featuresBehind } from './graph.ts'

// The same topology with training rows: one for each event that reaches a model, in place of the
// model and of all that follows it.

/** The topic of the rows, if they come from one place. */
const TOPIC = 'rows'

type TimeOf = (event: unknown) => number

interface Featured {
  readonly event: Readonly<Record<string, unknown>>
  readonly features: Readonly<Record<string, number>>
}

interface Place {
  /** All features there, whichever of them the present models take. */
  readonly names: readonly string[]
  readonly timeOf: TimeOf
}

/** Where a path of steps ends with rows: at a score step, or behind the last features. */
interface End extends Place {
  readonly step: string
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
function withRows(then: readonly Step[], before: Place, rows: (end: End) => Step[]): Step[] {
  return then.flatMap((step): Step[] => {
    if (!('then' in step)) return []
    const changes = byKind<Partial<Place>>(step, {
      tumbling: () => ({ timeOf: timeOfWindow }),
      features: ({ features }) => ({ names: features.map(({ name }) => name) }),
      derive: (derive) => ({ names: featuresBehind(derive, before.names) }),
      others: () => ({}),
    })
    const end = { ...before, ...changes, step: step.name }
    if (step.op === 'score') return rows(end)
    const behind = withRows(step.then, end, rows)
    const isLast = behind.length === 0 && changes.names !== undefined
    const steps = isLast ? rows(end) : behind
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
