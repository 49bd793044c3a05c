import { MOST_METADATA_BYTES } from '../../connect/port.ts'
import { authorFunctions } from '../../engine/author-functions.ts'
import { topologyNotes, validateTopology } from '../../engine/checks.ts'
import type { Format } from '../../formats/format.ts'
import { Refused, TidemarkError } from '../../kernel/errors.ts'
import { type Compression, compressionFault } from '../../kernel/kafka.ts'
import { drawnHash } from '../../kernel/random.ts'
import { lookupOf, TableRoom } from '../../lookup/table.ts'
import { readTables } from '../../lookup/table-file.ts'
import type { RegistryOptions } from '../../registry/confluent-registry.ts'
import type { Definition } from '../../topology/definition.ts'
import { purityNotes } from '../../topology/function-source.ts'
import {
  allTopics,
  sinkStepsOf,
  sinksOf,
  withJsonValues,
  withMaxAhead,
  withoutLatencyBudgets,
  withTopics,
} from '../../topology/graph.ts'
import { mostMetadataBytes } from '../commit/checkpoint-metadata.ts'
import type { WorkerConfig } from '../config.ts'
import { definitionHash } from '../output/provenance.ts'
import { loadShadows } from '../output/shadow/prepared-shadow.ts'
import type { Prepared, PreparedShadow, PreparedTopology } from '../prepared.ts'
import { openTables } from '../tables/open-tables.ts'
import { fingerprintOf } from './fingerprint.ts'
import { openFormats, registryFor } from './formats.ts'
import { loadSteps } from './score-steps.ts'
import { openSystems, type SystemChoices } from './systems.ts'
import { longestVariants } from './variants.ts'

export interface Choices extends SystemChoices {
  /** `later`: no value is decoded or encoded now. @default a topology that needs one is refused */
  readonly registry?: RegistryOptions | 'later'
  /** Reads and writes all values as JSON, such as events written by hand. @default as declared */
  readonly values?: 'json'
  /** A busy machine then refuses no model, and chooses no other variant. @default as declared */
  readonly latencyBudget?: 'none'
}

/**
 * Loads topologies, and checks everything that can be checked without a broker.
 * @throws Refused with every fault of every topology, table and model
 */
export async function prepare(
  definitions: readonly Definition[],
  config: WorkerConfig,
  choices: Choices = {},
): Promise<Prepared> {
  const topics = new Map(Object.entries(config.topics))
  const renamed = definitions.map((definition) => withTopics(definition, topics))
  const chosen = renamed.map((definition) => withChoices(definition, config, choices))
  // The name of its topology identifies a model; topologies of one name are refused below.
  const distinct = chosen.filter(({ name }, i) => chosen.findIndex((d) => d.name === name) === i)
  const steps = await loadSteps(distinct, config)
  const registry = await registryFor(chosen, choices.registry)
  const formats = await Promise.all(chosen.map((d) => openFormats(d, registry, choices.values)))
  const valid = chosen.filter((definition) => validateTopology(definition).length === 0)
  const room = new TableRoom(config.maxTableBytes)
  const hash = drawnHash()
  const tables = await openTables(valid, { registry, room, hash })
  const systems = await openSystems(valid, choices)
  const faults = [
    ...chosen.flatMap(validateTopology),
    ...sharedNameFaults(chosen),
    ...sharedIdFaults(chosen),
    ...noteFaults(chosen),
    ...compressionFaults(chosen),
    ...unknownTopics(definitions, topics),
    ...steps.faults,
    ...tables.faults,
    ...(await readTables(tables.all)),
    ...systems.faults,
    ...formats.flatMap((f) => f.faults),
  ]
  if (faults.length > 0) {
    await steps.close()
    throw new Refused(faults)
  }
  const shadows = await loadShadows(chosen, { ...config, takenBytes: steps.bytes })
  const topologies = chosen.map((definition, i): PreparedTopology => {
    const written = definitions[i] as Definition
    const { format, outputs } = formats[i] as (typeof formats)[number]
    const scorers = steps.scorersOf(definition)
    const loadedTables = tables.of(definition)
    return {
      definition,
      by: definitionHash(written, scorers),
      fingerprint: fingerprintOf(written),
      format: format as Format,
      outputs,
      scorers,
      shadows: shadows.byTopology[i] as readonly PreparedShadow[],
      lookup: lookupOf(loadedTables.map(({ table }) => table)),
      tables: loadedTables,
      stores: systems.storesOf(definition),
    }
  })
  const notes = [
    ...new Set([...steps.notes, ...shadows.notes]),
    ...chosen.flatMap(topologyNotes),
    ...chosen.flatMap((d) => purityNotes(d.name, authorFunctions(d))),
  ]
  const close = async () => {
    await steps.close()
    await Promise.all(shadows.byTopology.flat().map(({ scorer }) => scorer.close()))
    await Promise.all(systems.all.map((system) => system.close()))
  }
  const { all, sinks } = systems
  return { topologies, variants: steps.variants, notes, systems: all, sinks, hash, close }
}

function withChoices(
  definition: Definition,
  { maxAhead }: WorkerConfig,
  { values, latencyBudget }: Choices,
): Definition {
  const guarded = maxAhead === null ? definition : withMaxAhead(definition, maxAhead)
  const readable = values === undefined ? guarded : withJsonValues(guarded)
  return latencyBudget === undefined ? readable : withoutLatencyBudgets(readable)
}

function sharedNameFaults(definitions: readonly Definition[]): TidemarkError[] {
  const names = definitions.map(({ name }) => name)
  return names
    .filter((name, i) => names.indexOf(name) !== i)
    .map((name) => new TidemarkError('TOPOLOGY_INVALID', `two topologies are named "${name}"`))
}

/** A consumer would keep one output of an id, which consists of source, sink and record. */
function sharedIdFaults(definitions: readonly Definition[]): TidemarkError[] {
  const owners = new Map<string, string>()
  const faults: TidemarkError[] = []
  for (const { name, source, then } of definitions) {
    for (const sink of sinksOf(then)) {
      const place = JSON.stringify([source.topic, sink.name, sink.topic])
      const owner = owners.get(place)
      owners.set(place, name)
      if (owner === undefined) continue
      const who = owner === name ? `two sinks of "${name}"` : `"${owner}" and "${name}" both`
      const message = `${who} write "${sink.topic}" from "${source.topic}": their outputs would have the same ids`
      const hint = 'give one of them another sink'
      faults.push(new TidemarkError('TOPOLOGY_INVALID', message, { hint }))
    }
  }
  return faults
}

/** The most topologies whose restart notes fit into a commit's metadata. */
const MOST_ON_ONE_SOURCE = 16

function noteFaults(definitions: readonly Definition[]): TidemarkError[] {
  const sources = new Set(definitions.map((d) => d.source.topic))
  return [...sources].flatMap((topic) => {
    const reading = definitions.filter((d) => d.source.topic === topic)
    const readers = reading.map((d) => d.name)
    const hint = 'run some of them in another group'
    if (readers.length > MOST_ON_ONE_SOURCE) {
      const message = `${readers.length} topologies read "${topic}"; a worker can run at most ${MOST_ON_ONE_SOURCE}`
      return [new TidemarkError('NOT_SUPPORTED', message, { hint })]
    }
    const longest = longestVariants(reading)
    if (mostMetadataBytes(readers, longest) <= MOST_METADATA_BYTES) return []
    const variants = longest.size > 0 ? ', and of their variants,' : ''
    const message = `the names of ${readers.length} topologies that read "${topic}"${variants} are too long together for a commit's metadata`
    return [new TidemarkError('NOT_SUPPORTED', message, { hint: `shorten them, or ${hint}` })]
  })
}

/** All sinks of a topic have one compression, because batches belong to a topic. */
function compressionFaults(definitions: readonly Definition[]): TidemarkError[] {
  const first = new Map<string, { readonly where: string; readonly compression: Compression }>()
  const faults: TidemarkError[] = []
  for (const { name, then } of definitions) {
    for (const { name: sink, topic, compression } of sinkStepsOf(then)) {
      if (compression === undefined) continue
      const where = `${name}/${sink}`
      const fault = compressionFault(compression)
      if (fault !== null) faults.push(new TidemarkError('NOT_SUPPORTED', fault, { where }))
      const other = first.get(topic)
      if (other === undefined) first.set(topic, { where, compression })
      if (other === undefined || other.compression === compression) continue
      const message = `topic "${topic}" is compressed with ${other.compression} by ${other.where}, and with ${compression} here`
      const hint = 'give all sinks of a topic the same compression'
      faults.push(new TidemarkError('TOPOLOGY_INVALID', message, { where, hint }))
    }
  }
  return faults
}

/** A `CONFIG_INVALID` for each topic that is renamed and that no topology has. */
export function unknownTopics(
  definitions: readonly Definition[],
  topics: ReadonlyMap<string, string>,
): TidemarkError[] {
  const known = new Set(definitions.flatMap((definition) => [...allTopics(definition)]))
  const hint = `the topologies have these topics: ${[...known].join(', ')}`
  return [...topics.keys()]
    .filter((logical) => !known.has(logical))
    .map(
      (logical) =>
        new TidemarkError('CONFIG_INVALID', `no topology has a topic "${logical}"`, { hint }),
    )
}
