import { stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { groupStart } from '../connect/group-member.ts'
import { kafka } from '../connect/kafka/connector.ts'
import { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import type { PartitionOffsets, TopicInfo } from '../connect/port.ts'
import { endReading, ownFilesOf } from '../host/author-files.ts'
import { chosenServices } from '../host/services.ts'
import { CLUSTER_SETTINGS, type Config, configOf, PREPARE_SETTINGS } from '../host/settings.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { calledFunctions, evaluators, summaryOf, variantLines } from '../host/topology-lines.ts'
import { NO_NAME } from '../host/worker-name.ts'
import { refuseIfAny, type TidemarkError, unlessRefused } from '../kernel/errors.ts'
import { grouped, plural, table } from '../kernel/wording.ts'
import type { Prepared } from '../runtime/prepared.ts'
import { groupOf } from '../runtime/prepared.ts'
import { checkCluster } from '../runtime/start/cluster-check.ts'
import { type FoundSchema, findSchemas } from '../runtime/start/formats.ts'
import { findVariants } from '../runtime/start/variants.ts'
import { modelUrl } from '../scoring/model-files.ts'
import { readUnchecked } from '../scoring/unchecked-model.ts'
import type { Definition } from '../topology/definition.ts'
import { isOnlyShadow, scoreStepsOf } from '../topology/graph.ts'
import { isTrained } from '../topology/models.ts'
import { addSettings, readConfig } from './config.ts'
import { sayNotes, write } from './print.ts'

const GROUP_SETTINGS = ['topic', 'group', 'from', 'guarantee', 'workerName'] as const
const SETTINGS = [...PREPARE_SETTINGS, ...CLUSTER_SETTINGS, ...GROUP_SETTINGS] as const

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
      const later = { registry: 'later', systems: 'later' } as const
      const services = isConnected ? chosenServices(config) : later
      const prepared = await prepareFiles(files, configOf(config), services)
      try {
        await writeLines([
          ...prepared.topologies.map((topology) => `✓ ${summaryOf(topology)}`),
          ...evaluators(prepared.topologies),
          ...variantLines(prepared.variants),
          ...calledFunctions(prepared.topologies),
        ])
        sayNotes(prepared.notes)
        await writeLines(await deploymentLines(files, prepared, config.model))
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
  const named = workerName === null || workerName === NO_NAME ? {} : { workerName }
  const records = new KafkaRecords({ ...kafka.optionsOf(config), ...named })
  try {
    const definitions = prepared.topologies.map((t) => t.definition)
    const cluster = await checkCluster({ records, definitions, group, guarantee, brokers })
    const { topics, partitionOffsets, known: counts, notes } = cluster
    const faults: TidemarkError[] = []
    for (const offsets of partitionOffsets) {
      await unlessRefused(() => groupStart(offsets, { group, from, known: counts }), faults)
    }
    refuseIfAny(faults)
    const schemas = await findSchemas(prepared.topologies)
    const silent: string[] = []
    const answering: string[] = []
    for (const system of prepared.systems ?? []) {
      const reasons: string[] = []
      await system.connect((reason) => reasons.push(`no answer of ${system.label}: ${reason}`))
      silent.push(...reasons)
      if (reasons.length === 0) answering.push(`✓ ${system.label} ${system.address}`)
    }
    await writeLines([
      `✓ brokers ${brokers}, all required rights granted`,
      ...[...topics.values()].map((topic) => `✓ topic ${inWords(topic)}`),
      ...cluster.toMake.map(({ name }) => `✓ topic ${name}  is made by the first worker`),
      ...schemas.map((schema) => `✓ schema ${placeOf(schema)}`),
      ...answering,
      `✓ group ${group}  ${progress(partitionOffsets)}`,
    ])
    const variants = findVariants(prepared, partitionOffsets).map(({ note }) => note)
    sayNotes([...notes, ...variants, ...silent])
  } finally {
    await records.close()
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

/**
 * One line per file that a deployment needs: the topologies and the author's own files that they
 * import, models and their golden rows, and tables. Installed packages are not among them.
 * @param chosen model name → the file that the operator chose instead
 */
async function deploymentLines(
  files: readonly string[],
  { topologies }: Prepared,
  chosen: Readonly<Record<string, string>>,
): Promise<string[]> {
  const sources = await Promise.all(files.map((file) => ownFilesOf(resolve(file))))
  await endReading()
  const data = await Promise.all(topologies.map(({ definition }) => dataOf(definition, chosen)))
  const paths = new Set([...sources.flat(), ...data.flat()].map((path) => relative('.', path)))
  const sizes = await Promise.all([...paths].map(async (path) => (await stat(path)).size))
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const rows = [...paths].map((path, i) => [`  ${path}`, kilobytes(sizes[i] as number)])
  return [`needs ${plural(paths.size, 'file')}, ${kilobytes(all)}`, ...table(rows)]
}

async function dataOf(
  definition: Definition,
  chosen: Readonly<Record<string, string>>,
): Promise<string[]> {
  const tables = definition.tables.flatMap(({ from }) => from.file ?? [])
  const models = scoreStepsOf(definition.then).flatMap((step) =>
    Object.entries(step.models).map(async ([name, model]) => {
      if (!isTrained(model)) return []
      const file = chosen[model.name] ?? null
      const isRemote = (file === null ? model.file : modelUrl(file)).protocol !== 'file:'
      if (isRemote) return file === null && model.golden ? [model.golden] : []
      try {
        const { modelFile, golden } = await readUnchecked({ model, where: definition.name }, file)
        const files = [modelFile.file, ...modelFile.weights.map((part) => part.file)]
        return golden === null ? files : [...files, golden]
      } catch (error) {
        // A shadow without its file is off, which a note says.
        if (isOnlyShadow(step, name)) return []
        throw error
      }
    }),
  )
  return [...(await Promise.all(models)).flat(), ...tables].map((url) => fileURLToPath(url))
}

function kilobytes(bytes: number): string {
  return `${grouped(Math.ceil(bytes / 1_000))} KB`
}
