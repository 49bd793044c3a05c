import { TidemarkError } from '../kernel/errors.ts'
import { type Compression, compressionFault } from '../kernel/kafka.ts'
import type { Definition, SinkStep } from '../topology/definition.ts'
import { sinkStepsOf } from '../topology/graph.ts'

// Batches belong to a topic, not to a sink: all sinks of a topic have one compression.

/** By topic, the compression that the topologies give it. */
export function topicCompressions(
  definitions: readonly Definition[],
): ReadonlyMap<string, Compression> {
  return new Map(
    [...sinksOf(definitions)].map(({ step, compression }) => [step.topic, compression]),
  )
}

/**
 * `TOPOLOGY_INVALID` for sinks that give one topic several compressions, `NOT_SUPPORTED` for a
 * compression that this version of Node cannot write.
 */
export function compressionFaults(definitions: readonly Definition[]): TidemarkError[] {
  const first = new Map<string, CompressingSink>()
  const faults: TidemarkError[] = []
  for (const sink of sinksOf(definitions)) {
    const { step, where, compression } = sink
    const fault = compressionFault(compression)
    if (fault !== null) faults.push(new TidemarkError('NOT_SUPPORTED', fault, { where }))
    const other = first.get(step.topic) ?? sink
    first.set(step.topic, other)
    if (other.compression === compression) continue
    const what = `topic "${step.topic}" is compressed with ${other.compression} by ${other.where}, and with ${compression} here`
    const hint = 'give all sinks of a topic the same compression'
    faults.push(new TidemarkError('TOPOLOGY_INVALID', what, { where, hint }))
  }
  return faults
}

interface CompressingSink {
  readonly step: SinkStep
  readonly where: string
  readonly compression: Compression
}

function* sinksOf(definitions: readonly Definition[]): Generator<CompressingSink> {
  for (const { name, then } of definitions) {
    for (const step of sinkStepsOf(then)) {
      if (step.compression === undefined) continue
      yield { step, where: `${name}/${step.name}`, compression: step.compression }
    }
  }
}
