import { authorFunctions } from '../engine/author-functions.ts'
import { restartNotes, routeNotes, validateTopology } from '../engine/checks.ts'
import type { Format, OutputFormat } from '../formats/format.ts'
import { Refused, TidemarkError } from '../kernel/errors.ts'
import { lookupOf, TableRoom } from '../lookup/table.ts'
import { readTables } from '../lookup/table-file.ts'
import { MOST_METADATA_BYTES } from '../records/port.ts'
import type { RegistryOptions } from '../registry/confluent-registry.ts'
import type { Scorer } from '../scoring/scorer.ts'
import type { StepScorer } from '../scoring/step-scorer.ts'
import type { Definition } from '../topology/definition.ts'
import { purityNotes } from '../topology/function-source.ts'
import {
  outputTopics,
  sinksOf,
  tableTopics,
  withJsonValues,
  withMaxAhead,
  withTopics,
} from '../topology/graph.ts'
import type { Lookup } from '../topology/lookup.ts'
import { mostMetadataBytes } from './commit/checkpoint-metadata.ts'
import { type WorkerConfig, workerConfig } from './config.ts'
import { fingerprintOf } from './fingerprint.ts'
import { loadSteps, type ModelChoices } from './load-steps.ts'
import { maxTableBytesOfMachine } from './machine-limits.ts'
import { type OpenedFormats, openFormats, openRegistry } from './open-formats.ts'
import { openTables } from './open-tables.ts'
import type { PreparedTable } from './prepared-table.ts'
import { definitionHash } from './provenance.ts'
import { loadShadows, type PreparedShadow } from './shadow/prepared-shadow.ts'
import { compressionFaults } from './topic-compressions.ts'
import { longestVariants, type StepVariants } from './variants.ts'

// Everything that is checked before anything is consumed. Reads files, needs no broker.

/** A topology that is ready to run. */
export interface PreparedTopology {
  /** The definition, with the topics that are really read and written. */
  readonly definition: Definition
  /**
   * The value of the outputs' `tidemark-by` header: a short hash over the topology and its models.
   */
  readonly by: string
  /** Hash of what determines its windows. */
  readonly fingerprint: string
  /** Decodes the records of its source into events. */
  readonly format: Format
  /** How the values of sinks are written, by name of the sink; all others write JSON. */
  readonly outputs: ReadonlyMap<string, OutputFormat>
  /** By name of the score step. */
  readonly scorers: ReadonlyMap<string, StepScorer>
  /** Those whose models could be loaded. */
  readonly shadows: readonly PreparedShadow[]
  readonly lookup: Lookup
  /** Those that `lookup` finds. Topologies that declare the same table share it. */
  readonly tables: readonly PreparedTable[]
}

/** Topologies that are ready to run, with their models loaded. */
export interface Prepared {
  readonly topologies: readonly PreparedTopology[]
  /** Score steps with variants. Until it is settled which one scores, all of them are loaded. */
  readonly variants: readonly StepVariants[]
  /** Notes that the operator should read; none of them is an error. */
  readonly notes: readonly string[]
  /** Frees the models. */
  close(): Promise<void>
}

/** What the operator chose instead of the author's settings. */
export interface Choices extends ModelChoices {
  /** Topic name in the topology → the topic to use. */
  readonly topics: ReadonlyMap<string, string>
  /**
   * The schema registry of the values that are read and written; `later`: none is decoded or
   * encoded now.
   * @default none, and a topology that needs one is refused
   */
  readonly registry?: RegistryOptions | 'later'
  /**
   * Reads all values as JSON, whatever the format of their source, as where events are written by
   * hand, and writes all as JSON. @default as the author says
   */
  readonly values?: 'json'
  /** Memory for all tables together, bytes. @default a quarter of Node's heap */
  readonly maxTableBytes?: number | null
  /** Switches the future guard off. @default as the author says */
  readonly maxAhead?: 'none' | null
}

/** The choices that are among the settings of a worker. */
export function choicesOf(options: Partial<WorkerConfig>): Choices {
  const { topics, models, variants, ...others } = workerConfig(options)
  const { evaluator, cache, maxAhead, maxTableBytes, maxModelBytes } = others
  return {
    topics: new Map(Object.entries(topics)),
    models: new Map(Object.entries(models)),
    variants: new Map(Object.entries(variants)),
    ...{ evaluator, cache, maxAhead, maxTableBytes, maxModelBytes },
  }
}

/**
 * Makes topologies ready to run.
 *
 * @throws Refused with every fault of every topology, table and model
 */
export async function prepare(
  definitions: readonly Definition[],
  choices: Choices,
): Promise<Prepared> {
  // A model is identified by its topology's name. Of two topologies with one name, which are
  // refused below, only the first is loaded.
  const distinct = definitions.filter(
    ({ name }, i) => definitions.findIndex((d) => d.name === name) === i,
  )
  const steps = await loadSteps(distinct, choices)
  const chosen = definitions.map((definition) => withChoices(definition, choices))
  const registry = await openRegistry(chosen, choices)
  const formats = await openFormats(chosen, { registry, values: choices.values })
  const valid = chosen.filter((definition) => validateTopology(definition).length === 0)
  const room = new TableRoom(choices.maxTableBytes ?? maxTableBytesOfMachine())
  const tables = await openTables(valid, { registry, room })
  const faults = [
    ...chosen.flatMap(validateTopology),
    ...checkTogether(chosen),
    ...compressionFaults(chosen),
    ...unknownTopics(definitions, choices),
    ...steps.faults,
    ...tables.faults,
    ...(await readTables(tables.all)),
    ...formats.flatMap((f) => f.faults),
  ]
  if (faults.length > 0) {
    await steps.close()
    throw new Refused(faults)
  }
  const shadows = await loadShadows(chosen, { ...choices, takenBytes: steps.bytes })
  const close = async () => {
    await steps.close()
    await closeAll(shadows.byTopology.flat().map(({ scorer }) => scorer))
  }
  const topologies = definitions.map((definition, i): PreparedTopology => {
    const scorers = steps.scorersOf(definition)
    const used = tables.of(chosen[i] as Definition)
    const lookup = lookupOf(used.map(({ table }) => table))
    const by = definitionHash(definition, scorers)
    const fingerprint = fingerprintOf(definition)
    const { format, outputs } = formats[i] as OpenedFormats
    const made = { by, fingerprint, format: format as Format, outputs, scorers, lookup }
    const own = shadows.byTopology[i] as readonly PreparedShadow[]
    return { definition: chosen[i] as Definition, ...made, shadows: own, tables: used }
  })
  const notes = [
    ...steps.notes,
    ...shadows.notes,
    ...chosen.flatMap(restartNotes),
    ...chosen.flatMap(routeNotes),
    ...chosen.flatMap((d) => purityNotes(d.name, authorFunctions(d))),
  ]
  return { topologies, variants: steps.variants, notes, close }
}

/** The scorers of a topology's models, each once. */
export function scorersOf({ scorers }: Pick<PreparedTopology, 'scorers'>): Scorer[] {
  return [...new Set([...scorers.values()].flatMap((step) => [...step.scorers.values()]))]
}

async function closeAll(scorers: Iterable<Scorer>): Promise<void> {
  await Promise.all([...scorers].map((scorer) => scorer.close()))
}

function withChoices(definition: Definition, { topics, maxAhead, values }: Choices): Definition {
  const renamed = withTopics(definition, topics)
  const guarded = maxAhead == null ? renamed : withMaxAhead(renamed, maxAhead)
  return values === undefined ? guarded : withJsonValues(guarded)
}

/** The most topologies whose restart notes fit into a commit's metadata. */
const MOST_ON_ONE_SOURCE = 16

/** Checks what concerns several topologies, over the topics that they really read. */
function checkTogether(definitions: readonly Definition[]): TidemarkError[] {
  const faults: TidemarkError[] = []
  const names = new Set<string>()
  for (const { name } of definitions) {
    if (names.has(name)) {
      faults.push(new TidemarkError('TOPOLOGY_INVALID', `two topologies are named "${name}"`))
    }
    names.add(name)
  }
  faults.push(...sharedIds(definitions))
  const sources = definitions.map((d) => d.source.topic)
  for (const topic of new Set(sources)) {
    const own = definitions.filter((d) => d.source.topic === topic)
    const readers = own.map((d) => d.name)
    const hint = 'run some of them in another group'
    if (readers.length > MOST_ON_ONE_SOURCE) {
      const what = `${readers.length} topologies read "${topic}"; a worker can run at most ${MOST_ON_ONE_SOURCE}`
      faults.push(new TidemarkError('NOT_SUPPORTED', what, { hint }))
    } else if (mostMetadataBytes(readers, longestVariants(own)) > MOST_METADATA_BYTES) {
      const variants = longestVariants(own).size > 0 ? ', and of their variants,' : ''
      const what = `the names of ${readers.length} topologies that read "${topic}"${variants} are too long together for a commit's metadata`
      faults.push(new TidemarkError('NOT_SUPPORTED', what, { hint: `shorten them, or ${hint}` }))
    }
  }
  return faults
}

/**
 * An output id consists of source, sink and record. Of two outputs with one id in one topic a
 * consumer would keep only one.
 */
function sharedIds(definitions: readonly Definition[]): TidemarkError[] {
  const owners = new Map<string, string>()
  const faults: TidemarkError[] = []
  for (const { name, source, then } of definitions) {
    for (const sink of sinksOf(then)) {
      const place = JSON.stringify([source.topic, sink.name, sink.topic])
      const owner = owners.get(place)
      owners.set(place, name)
      if (owner === undefined) continue
      const who = owner === name ? `two sinks of "${name}"` : `"${owner}" and "${name}" both`
      const what = `${who} write "${sink.topic}" from "${source.topic}": their outputs would have the same ids`
      const hint = 'give one of them another sink'
      faults.push(new TidemarkError('TOPOLOGY_INVALID', what, { hint }))
    }
  }
  return faults
}

function unknownTopics(definitions: readonly Definition[], { topics }: Choices): TidemarkError[] {
  const known = new Set(
    definitions.flatMap((d) => [d.source.topic, ...outputTopics(d), ...tableTopics(d)]),
  )
  const hint = `the topologies have these topics: ${[...known].join(', ')}`
  return [...topics.keys()]
    .filter((logical) => !known.has(logical))
    .map((logical) => {
      return new TidemarkError('CONFIG_INVALID', `no topology has a topic "${logical}"`, { hint })
    })
}
