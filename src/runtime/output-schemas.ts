import type { OutputFormat } from '../formats/format.ts'
import { RegisteredOutput } from '../formats/registry/outputs.ts'
import { refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import type { PreparedTopology } from './prepare.ts'

// What is asked of a schema registry before anything is consumed (rule S2).

/** Where the schema of a sink is. */
export interface FoundSchema {
  readonly subject: string
  /** `null`: it is not there; a worker will register it. */
  readonly id: number | null
}

/**
 * Finds the schemas of all sinks in their registry, and registers those that may be.
 * @throws Refused with all that the registry does not have, or rejects · TidemarkError
 * `REGISTRY_UNAVAILABLE`
 */
export async function settleOutputs(topologies: readonly PreparedTopology[]): Promise<void> {
  await ofEach(topologies, (output) => output.settle())
}

/** Finds them, and registers none. @throws as {@link settleOutputs} */
export async function findOutputs(
  topologies: readonly PreparedTopology[],
): Promise<readonly FoundSchema[]> {
  const found: FoundSchema[] = []
  await ofEach(topologies, async (output) => {
    if (!(output instanceof RegisteredOutput)) return
    const { subject } = output
    found.push({ subject, id: await output.check() })
  })
  return found
}

/** One after the other: two sinks may have one subject. */
async function ofEach(
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
