import { Refused, refuseIfAny } from '../kernel/errors.ts'
import { DEFAULT_CONFIG, type WorkerConfig } from '../runtime/config.ts'
import type { Prepared } from '../runtime/prepared.ts'
import { type Choices, prepare, unknownTopics } from '../runtime/start/prepare.ts'
import type { Definition } from '../topology/definition.ts'
import { withTopics } from '../topology/graph.ts'
import { loadTopologies } from './author-files.ts'

/**
 * Loads topology files and checks everything that can be checked before consuming.
 *
 * @throws Refused with all faults of all files, topologies, tables and models
 */
export async function prepareFiles(
  files: readonly string[],
  config: WorkerConfig = DEFAULT_CONFIG,
  choices: Choices = {},
): Promise<Prepared> {
  return prepareLoaded(await loadTopologies(files), config, choices)
}

/** @throws as {@link prepareFiles} */
export async function prepareLoaded(
  { definitions, faults }: Awaited<ReturnType<typeof loadTopologies>>,
  config: WorkerConfig,
  choices: Choices,
): Promise<Prepared> {
  try {
    const prepared = await prepare(definitions, config, choices)
    if (faults.length > 0) await prepared.close()
    refuseIfAny(faults)
    return prepared
  } catch (thrown) {
    if (!(thrown instanceof Refused) || faults.length === 0) throw thrown
    // `CONFIG_INVALID` may name what is in a file that failed to load.
    const sure = thrown.faults.filter((f) => f.code !== 'CONFIG_INVALID' && !faults.includes(f))
    throw new Refused([...faults, ...sure])
  }
}

/**
 * Loads topologies of files that are looked at and not run, with the topics that are really used.
 * @throws Refused with all faults of all files, or every name that is no topic of them
 */
export async function loadNamed(
  files: readonly string[],
  topics: Readonly<Record<string, string>>,
): Promise<Definition[]> {
  const { definitions, faults } = await loadTopologies(files)
  refuseIfAny(faults)
  const actual = new Map(Object.entries(topics))
  refuseIfAny(unknownTopics(definitions, actual))
  return definitions.map((definition) => withTopics(definition, actual))
}
