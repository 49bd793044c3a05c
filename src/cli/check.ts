import { stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { groupOf } from '../host/host-worker.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { partitionName } from '../kernel/ids.ts'
import { groupStart } from '../records/group-member.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { PartitionOffsets, TopicInfo } from '../records/port.ts'
import type { Prepared } from '../runtime/prepared.ts'
import { type ClusterCheck, checkCluster } from '../runtime/start/cluster-check.ts'
import { type FoundSchema, findSchemas } from '../runtime/start/formats.ts'
import { findVariants } from '../runtime/start/variants.ts'
import { candidateOf } from '../scoring/candidate.ts'
import type { Definition } from '../topology/definition.ts'
import { isOnlyShadow, scoreStepsOf } from '../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../topology/models.ts'
import { endReading, ownFilesOf } from './author-files.ts'
import { chosenRegistry, kafkaOptions } from './cluster.ts'
import { addSettings, readConfig } from './config.ts'
import { calledFunctions, evaluators, prepareFiles, summaryOf, variantLines } from './prepared.ts'
import { grouped, plural, sayNotes, table, write } from './print.ts'
import { CLUSTER_SETTINGS, type Config, PREPARE_SETTINGS, workerOptions } from './settings.ts'

const SETTINGS = [
  ...PREPARE_SETTINGS,
  ...CLUSTER_SETTINGS,
  'topic',
  'group',
  'from',
  'guarantee',
  'workerName',
] as const

export function check(): Command {
  const command = new Command('check')
    .description(
      'check topologies and their models, and with --connect the cluster; reports all faults at once',
    )
    .argument('<files...>', 'topologies')
    .option(
      '--connect',
      "also check topics, limits, rights and the group's offsets on the brokers, and schemas in the registry; does not join the group",
    )
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const config = readConfig(SETTINGS, flags)
      const isConnected = flags['connect'] === true
      const registry = isConnected ? chosenRegistry(config) : ({ registry: 'later' } as const)
      const prepared = await prepareFiles(files, workerOptions(config), registry)
      try {
        await writeLines([
          ...prepared.topologies.map((topology) => `✓ ${summaryOf(topology)}`),
          ...evaluators(prepared.topologies),
          ...variantLines(prepared.variants),
          ...calledFunctions(prepared.topologies),
        ])
        sayNotes(prepared.notes)
        const definitions = prepared.topologies.map(({ definition }) => definition)
        const models = new Map(Object.entries(config.model))
        await writeLines(await deploymentLines({ files, definitions, models }))
        if (isConnected) await checkConnected(prepared, config)
      } finally {
        await prepared.close()
      }
    })
  return addSettings(command, SETTINGS)
}

async function writeLines(lines: readonly string[]): Promise<void> {
  for (const line of lines) await write(`${line}\n`)
}

type CheckConfig = Config<(typeof SETTINGS)[number]>

/** Checks the cluster as a worker would find it, and prints the result. It joins no group. */
async function checkConnected(prepared: Prepared, config: CheckConfig): Promise<void> {
  const { guarantee, workerName, from } = config
  const group = groupOf(config.group, prepared)
  const brokers = config.brokers.join(',')
  const records = new KafkaRecords({
    ...kafkaOptions(config),
    ...(workerName === null || workerName === NO_NAME ? {} : { workerName }),
  })
  try {
    const definitions = prepared.topologies.map((t) => t.definition)
    const found = await checkCluster({ records, definitions, group, guarantee, brokers })
    const { topics, partitionOffsets, known, notes } = found
    const sources = new Set(definitions.map((d) => d.source.topic))
    refuseIfAny(partitionOffsets.flatMap((offsets) => faultOf(offsets, { group, from, known })))
    const schemas = await findSchemas(prepared.topologies)
    await writeLines([
      `✓ brokers ${brokers}, all required rights granted`,
      ...[...topics.values()].map((topic) => `✓ topic ${inWords(topic)}`),
      ...found.toMake.map(({ name }) => `✓ topic ${name}  is made by the first worker`),
      ...schemas.map((schema) => `✓ schema ${placeOf(schema)}`),
      `✓ group ${group}  ${progress(partitionOffsets)}`,
    ])
    sayNotes([
      ...notes,
      ...findVariants(prepared, partitionOffsets).map(({ note }) => note),
      ...withoutLeader(found, sources),
    ])
  } finally {
    await records.close()
  }
}

function faultOf(
  offsets: PartitionOffsets,
  joining: Parameters<typeof groupStart>[1],
): TidemarkError[] {
  try {
    groupStart(offsets, joining)
    return []
  } catch (error) {
    if (error instanceof TidemarkError) return [error]
    throw error
  }
}

function inWords({ name, partitions, maxMessageBytes }: TopicInfo): string {
  const most = maxMessageBytes === null ? '' : `, batches up to ${grouped(maxMessageBytes)} bytes`
  return `${name}  ${plural(partitions, 'partition')}${most}`
}

function placeOf({ subject, id }: FoundSchema): string {
  return `${subject}  ${id === null ? 'a worker will register it: it is compatible' : `id ${id}`}`
}

function progress(partitionOffsets: readonly PartitionOffsets[]): string {
  const begun = partitionOffsets.filter(({ committed }) => committed !== null)
  if (begun.length === 0) return 'has no committed offsets yet'
  const behind = begun.reduce((sum, s) => sum + s.endOffset - (s.committed?.nextOffset ?? 0), 0)
  return `has committed offsets for ${begun.length} of ${plural(partitionOffsets.length, 'partition')}, lag ${plural(behind, 'record')}`
}

function withoutLeader(
  { topics, partitionOffsets }: ClusterCheck,
  sources: ReadonlySet<string>,
): string[] {
  const led = new Set(partitionOffsets.map(partitionName))
  return [...topics.values()]
    .filter(({ name }) => sources.has(name))
    .flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => partitionName({ topic, partition })),
    )
    .filter((name) => !led.has(name))
    .map((name) => `${name} has no leader and cannot be read until it has one`)
}

interface Deployed {
  readonly files: readonly string[]
  readonly definitions: readonly Definition[]
  /** Model name → the file that the operator chose instead. */
  readonly models: ReadonlyMap<string, string>
}

/**
 * One line per file that a deployment needs: the topologies and the author's own files that they
 * import, models and their golden rows, and tables. Installed packages are not among them.
 */
async function deploymentLines({ files, definitions, models }: Deployed): Promise<string[]> {
  const own = await Promise.all(files.map((file) => ownFilesOf(resolve(file))))
  await endReading()
  const data = await Promise.all(definitions.map((definition) => dataOf(definition, models)))
  const paths = new Set([...own.flat(), ...data.flat()].map((path) => relative('.', path)))
  const sizes = await Promise.all([...paths].map(async (path) => (await stat(path)).size))
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const rows = [...paths].map((path, i) => [`  ${path}`, kilobytes(sizes[i] as number)])
  return [`needs ${plural(paths.size, 'file')}, ${kilobytes(all)}`, ...table(rows)]
}

async function dataOf(
  definition: Definition,
  chosen: ReadonlyMap<string, string>,
): Promise<string[]> {
  const tables = definition.tables.flatMap(({ from }) =>
    from.file === undefined ? [] : [from.file],
  )
  const models = await Promise.all(
    modelsOf(definition).map(async ({ model, isRequired }) => {
      const file = chosen.get(model.name) ?? null
      try {
        const { found, golden } = await candidateOf({ model, where: definition.name }, file)
        return golden === null ? [found.file] : [found.file, golden]
      } catch (error) {
        // A shadow without its file is off, which a note says.
        if (isRequired) throw error
        return []
      }
    }),
  )
  return [...models.flat(), ...tables].map((url) => fileURLToPath(url))
}

interface ModelOfStep {
  readonly model: ModelDefinition
  /** `false`: it is only a shadow. */
  readonly isRequired: boolean
}

function modelsOf(definition: Definition): ModelOfStep[] {
  return scoreStepsOf(definition.then).flatMap((step) =>
    Object.entries(step.models).flatMap(([name, model]) =>
      isTrained(model) ? [{ model, isRequired: !isOnlyShadow(step, name) }] : [],
    ),
  )
}

function kilobytes(bytes: number): string {
  return `${grouped(Math.ceil(bytes / 1_000))} KB`
}
