import { Refused, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import type { WorkerConfig } from '../runtime/config.ts'
import { type Choices, choicesOf, type Prepared, prepare } from '../runtime/prepare.ts'
import { loadTopologies } from './topology-file.ts'

/**
 * Loads topology files and checks everything that can be checked before consuming.
 *
 * @param choices what the command itself decides
 * @throws Refused with all faults of all files, topologies, tables and models
 */
export async function prepareFiles(
  files: readonly string[],
  options: Partial<WorkerConfig> = {},
  choices: Pick<Choices, 'values' | 'registry'> = {},
): Promise<Prepared> {
  const { definitions, faults } = await loadTopologies(files)
  try {
    const prepared = await prepare(definitions, { ...choicesOf(options), ...choices })
    if (faults.length > 0) await prepared.close()
    refuseIfAny(faults)
    return prepared
  } catch (thrown) {
    if (!(thrown instanceof Refused) || faults.length === 0) throw thrown
    throw new Refused([...faults, ...thrown.faults.filter((f) => isSure(f) && !faults.includes(f))])
  }
}

/** Not a name that no loaded topology has: a file that failed to load may have it. */
function isSure(fault: TidemarkError): boolean {
  return fault.code !== 'CONFIG_INVALID'
}
