import type { FieldPath } from '../columns/columns.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { SchemaRegistry } from '../registry/schema-registry.ts'
import type { Format, FormatSource } from './format.ts'
import { JsonFormat } from './json/json-format.ts'
import { MadeFormat } from './made-format.ts'

const WHY_MADE = {
  text: 'its values are text',
  cloudevents: 'its values are CloudEvents',
  decode: 'its events are made by decode',
}

/** What a format is made from. */
export interface FormatParts {
  /** The fields that the topology needs. */
  readonly wanted: readonly FieldPath[]
  /** `null`: none is given. */
  readonly registry: SchemaRegistry | null
}

/**
 * Makes the format of a source, or of a table's topic.
 * @throws TidemarkError `CONFIG_INVALID`: it needs a schema registry and none is given
 */
export async function openFormat(
  source: FormatSource,
  { wanted, registry }: FormatParts,
): Promise<Format> {
  const { format, topic } = source
  if (format.is === 'json') return new JsonFormat(source, wanted)
  if (format.is !== 'registry') return new MadeFormat(source, WHY_MADE[format.is])
  if (registry === null) {
    const what = `the values of "${topic}" have their schemas in a schema registry, and none is given`
    const hint = 'give its address: --registry http://host:port'
    throw new TidemarkError('CONFIG_INVALID', what, { hint })
  }
  // Only who reads such values pays for loading what decodes them.
  const { RegistryFormat } = await import('./registry/registry-format.ts')
  return new RegistryFormat(source, format, { registry, wanted })
}
