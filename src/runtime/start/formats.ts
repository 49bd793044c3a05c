import { wantedFields } from '../../engine/author-functions.ts'
import { validateTopology } from '../../engine/checks.ts'
import type { OutputFormat } from '../../formats/format.ts'
import { openFormat } from '../../formats/open-format.ts'
import { openOutput, RegisteredOutput } from '../../formats/registry/outputs.ts'
import { refuseIfAny, TidemarkError, unlessRefused } from '../../kernel/errors.ts'
import type { RegistryOptions } from '../../registry/confluent-registry.ts'
import type { SchemaRegistry, SchemaSubjects } from '../../registry/schema-registry.ts'
import type { Definition } from '../../topology/definition.ts'
import { sinkStepsOf } from '../../topology/graph.ts'
import type { PreparedTopology } from '../prepared.ts'

type Registry = SchemaRegistry & SchemaSubjects

/**
 * Opens the format of a topology's values, `null` if it is not valid or a fault says why, and those
 * of its outputs by the name of the sink: all others write JSON.
 */
export async function openFormats(
  definition: Definition,
  registry: Registry | null,
  values: 'json' | undefined,
) {
  const faults: TidemarkError[] = []
  const { name, source, then } = definition
  const isValid = validateTopology(definition).length === 0
  const opening = () => openFormat(source, { wanted: wantedFields(definition), registry })
  const format = isValid ? await unlessRefused(opening, faults) : null
  const outputs = new Map<string, OutputFormat>()
  for (const sink of sinkStepsOf(then)) {
    const where = `${name}/${sink.name}`
    const open = () => openOutput(sink, { subjects: values ?? registry, where })
    const output = await unlessRefused(open, faults)
    if (output !== null) outputs.set(sink.name, output)
  }
  return { format, outputs, faults }
}

function needsRegistry({ source, tables, then }: Definition): boolean {
  const isRead = [source, ...tables].some(({ format }) => format.is === 'registry')
  return isRead || sinkStepsOf(then).some(({ format }) => format !== undefined)
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

/** `null`: no registry is given, or no topology needs one. */
export async function registryFor(
  definitions: readonly Definition[],
  registry: RegistryOptions | 'later' | undefined,
): Promise<Registry | null> {
  if (registry === undefined || !definitions.some(needsRegistry)) return null
  if (registry === 'later') return NOT_YET
  const { ConfluentRegistry } = await import('../../registry/confluent-registry.ts')
  return new ConfluentRegistry(registry)
}

/** Where the schema of a sink is in the registry. */
export interface FoundSchema {
  readonly subject: string
  /** `null`: it is not there; a worker will register it. */
  readonly id: number | null
}

/**
 * Finds the schemas of all sinks in the registry before anything is consumed (rule S2), and
 * registers those that may be.
 * @throws Refused with all that the registry does not have, or rejects · TidemarkError
 * `REGISTRY_UNAVAILABLE`
 */
export async function registerSchemas(topologies: readonly PreparedTopology[]): Promise<void> {
  await forEachOutput(topologies, (output) => output.register())
}

/** Finds them, and registers none. @throws as {@link registerSchemas} */
export async function findSchemas(
  topologies: readonly PreparedTopology[],
): Promise<readonly FoundSchema[]> {
  const found: FoundSchema[] = []
  await forEachOutput(topologies, async (output) => {
    if (!(output instanceof RegisteredOutput)) return
    found.push({ subject: output.subject, id: await output.check() })
  })
  return found
}

/** One after the other, because two sinks may have one subject. */
async function forEachOutput(
  topologies: readonly PreparedTopology[],
  ask: (output: OutputFormat) => Promise<void>,
): Promise<void> {
  const faults: TidemarkError[] = []
  for (const output of topologies.flatMap(({ outputs }) => [...outputs.values()])) {
    try {
      await ask(output)
    } catch (thrown) {
      if (!(thrown instanceof TidemarkError) || thrown.action !== 'refuse') throw thrown
      faults.push(thrown)
    }
  }
  refuseIfAny(faults)
}
