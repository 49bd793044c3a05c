import { createHash } from 'node:crypto'
import { MOST_UNPACKED_BYTES } from '../records/port.ts'
import type { Definition, FeaturesStep, Step } from '../topology/definition.ts'
import { describe, type StepDescription } from '../topology/describe.ts'
import { formOf } from '../topology/function-form.ts'
import { horizonOf } from '../topology/horizon.ts'
import { schemaForm } from '../topology/schema-form.ts'

/** Hex digits. */
export const FINGERPRINT_LENGTH = 12
/** Fingerprints have never told it. */
const UNTOLD_LIMIT_BYTES = 64 * 2 ** 20

/**
 * 12 hex digits over what decides a topology's windows, and nothing else (PROTOCOL S4): source, schema, and the steps that
 * keep windows with those before them, and the author's `version`. A model, a table or a sink may change without the windows being made
 * anew. Functions count by what they do, however a loader prints them; what they capture or call is not seen.
 * @param mostUnpackedBytes records of a batch that unpacks to more enter no window
 */
export function fingerprintOf(
  definition: Definition,
  mostUnpackedBytes: number = MOST_UNPACKED_BYTES,
): string {
  const { source, steps } = describe(definition, formOf)
  const { topic: _, partitioner, keyMismatch, ...read } = source
  // Else it leaves nothing out.
  const asRead = keyMismatch === 'dead-letter' ? { ...read, partitioner } : read
  const keeping = new Set(keepers(definition.then).map((step) => step.name))
  const text = JSON.stringify([
    definition.version,
    asRead,
    schemaForm(definition.source.schema),
    steps.filter((step) => keeping.has(step.name)).map((step) => stateOf(step, definition)),
    horizonOf(definition).lengthMs,
    ...(mostUnpackedBytes === UNTOLD_LIMIT_BYTES ? [] : [mostUnpackedBytes]),
  ])
  return createHash('sha256').update(text).digest('hex').slice(0, FINGERPRINT_LENGTH)
}

/** The steps that keep windows, and those on the way to them. */
function keepers(then: readonly Step[]): Step[] {
  return then.flatMap((step) => {
    if (step.op === 'sink') return []
    const behind = keepers(step.then)
    const keeps = step.op === 'features' || step.op === 'tumbling'
    return keeps || behind.length > 0 ? [step, ...behind] : behind
  })
}

/** Of a features step only what is over windows counts, whatever it is called. */
function stateOf({ name, op, detail }: StepDescription, definition: Definition): unknown {
  if (op !== 'features') return [op, detail]
  const step = keepers(definition.then).find((s) => s.name === name) as FeaturesStep
  const overWindows = step.features.filter((f) => f.from !== 'value' && f.from !== 'lookup')
  const texts = detail['features'] as Readonly<Record<string, string>>
  const windows = new Set(overWindows.map((f) => texts[f.name] as string))
  return [op, detail['kinds'], [...windows].toSorted(byCodeUnits)]
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
