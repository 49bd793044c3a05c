import { createHash } from 'node:crypto'
import { MOST_UNPACKED_BYTES } from '../../connect/port.ts'
import { describe } from '../../engine/describe.ts'
import { horizonOf, planOf } from '../../engine/plan.ts'
import type { Definition } from '../../topology/definition.ts'
import { formOf } from '../../topology/function-form.ts'
import { schemaForm } from '../../topology/schema.ts'
import { FINGERPRINT_LENGTH } from '../prepared.ts'

/** The limit that fingerprints do not contain, bytes: earlier ones did not contain a limit. */
const UNTOLD_LIMIT_BYTES = 64 * 2 ** 20

/**
 * A hash, as 12 hex digits, of what determines a topology's windows, and of nothing else (rule S3):
 * source, schema, the steps that keep windows with the steps before them, and the author's
 * `version`. A model, a table or a sink may change without the windows being rebuilt. Functions
 * count by what they do, however a loader prints them; what they capture or call is not seen.
 * @param mostUnpackedBytes records of a batch that unpacks to more do not enter a window
 */
export function fingerprintOf(
  definition: Definition,
  mostUnpackedBytes: number = MOST_UNPACKED_BYTES,
): string {
  const { source } = describe(definition, formOf)
  const { topic: _, passHeaders: __, format, ...others } = source
  const { partitioner, keyMismatch, onTombstone, ...read } = others
  const asRead = {
    ...read,
    // With any other setting, the partitioner leaves no event out.
    ...(keyMismatch === 'dead-letter' ? { partitioner } : {}),
    // Earlier fingerprints did not contain this: all tombstones were dead letters.
    ...(onTombstone === 'dead-letter' ? {} : { onTombstone }),
  }
  const text = JSON.stringify([
    definition.version,
    asRead,
    schemaForm(definition.source.schema),
    windowsOf(definition),
    horizonOf(definition).lengthMs,
    // Earlier fingerprints did not contain the format: all values were JSON.
    ...(format.is === 'json' ? [] : [format]),
    ...(mostUnpackedBytes === UNTOLD_LIMIT_BYTES ? [] : [mostUnpackedBytes]),
  ])
  return createHash('sha256').update(text).digest('hex').slice(0, FINGERPRINT_LENGTH)
}

/** The steps that keep windows and the steps before them, by what determines the contents. */
function windowsOf(definition: Definition): unknown[] {
  const plan = planOf(definition)
  const keeping = new Set(
    plan
      .filter(({ keeps }) => keeps !== null)
      .flatMap(({ step, way }) => [step, ...way.map((p) => p.step)]),
  )
  return plan
    .filter(({ step }) => keeping.has(step))
    .map(({ step, rule }) => {
      const detail = rule.detail(step, formOf)
      return [step.op, ...(rule.decides?.(step, detail) ?? [detail])]
    })
}
