import { wantedFields } from '../engine/author-functions.ts'
import { validateTopology } from '../engine/checks.ts'
import type { Format, OutputFormat } from '../formats/format.ts'
import { openFormat } from '../formats/open-format.ts'
import { openOutput } from '../formats/registry/outputs.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { RegistryOptions } from '../registry/confluent-registry.ts'
import type { SchemaRegistry, SchemaSubjects } from '../registry/schema-registry.ts'
import type { Definition } from '../topology/definition.ts'
import { sinkStepsOf } from '../topology/graph.ts'

/** How the values of a topology are read and written. */
export interface OpenedFormats {
  /** `null`: the topology is not valid, or a fault says why there is none. */
  readonly format: Format | null
  /** By name of the sink; all others write JSON. */
  readonly outputs: ReadonlyMap<string, OutputFormat>
  readonly faults: readonly TidemarkError[]
}

/** What formats are opened with. */
interface FormatParts {
  /** `null`: none is given, or none is needed. */
  readonly registry: Registry | null
  /** `json`: everything is written as JSON. */
  readonly values: 'json' | undefined
}

type Registry = SchemaRegistry & SchemaSubjects

/** Makes the formats of each topology's source and sinks, or says why that cannot be done. */
export async function openFormats(
  definitions: readonly Definition[],
  { registry, values }: FormatParts,
): Promise<readonly OpenedFormats[]> {
  return Promise.all(
    definitions.map(async (definition) => {
      const faults: TidemarkError[] = []
      const orFault = async <T>(opening: Promise<T>): Promise<T | null> => {
        try {
          return await opening
        } catch (thrown) {
          if (!(thrown instanceof TidemarkError)) throw thrown
          faults.push(thrown)
          return null
        }
      }
      const { source } = definition
      const isValid = validateTopology(definition).length === 0
      const format = isValid
        ? await orFault(openFormat(source, { wanted: wantedFields(definition), registry }))
        : null
      const outputs = new Map<string, OutputFormat>()
      for (const sink of sinkStepsOf(definition.then)) {
        const where = `${definition.name}/${sink.name}`
        const subjects = values ?? registry
        const output = await orFault(openOutput(sink, { subjects, where }))
        if (output !== null) outputs.set(sink.name, output)
      }
      return { format, outputs, faults }
    }),
  )
}

function needsRegistry(definition: Definition): boolean {
  const read = [definition.source, ...definition.tables]
  const isRead = read.some(({ format }) => format.is === 'registry')
  return isRead || sinkStepsOf(definition.then).some(({ format }) => format !== undefined)
}

function notKnown(): never {
  throw new TidemarkError('INVARIANT', 'a schema is needed, and no registry is known')
}

/** In the place of a registry that is not known yet. */
const NOT_YET: Registry = {
  url: '',
  schema: notKnown,
  find: notKnown,
  objections: notKnown,
  register: notKnown,
  latest: notKnown,
}

/** The schema registry; `null`: none is given, or no topology needs one. */
export async function registryFor(
  definitions: readonly Definition[],
  { registry }: { readonly registry?: RegistryOptions | 'later' },
): Promise<Registry | null> {
  if (registry === undefined || !definitions.some(needsRegistry)) return null
  if (registry === 'later') return NOT_YET
  const { ConfluentRegistry } = await import('../registry/confluent-registry.ts')
  return new ConfluentRegistry(registry)
}
