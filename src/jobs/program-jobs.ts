import type { Topology } from '../topology/stream.ts'
import type { BatchResult } from './batch/batch-files.ts'
import type { RunBatchOptions } from './batch/batch-options.ts'
import type { ReplayOptions, ReplayResult } from './replay/replay.ts'

// Jobs for programs. Code that merely defines a topology loads none of them.

/**
 * Scores the events of files with a topology into a folder, all or nothing, as `tidemark batch`
 * does, in this thread.
 *
 *     await runBatch(topology, { input: ['payments.ndjson'], output: 'scores' })
 *
 * @returns `null`: nothing was written, because the signal has aborted, or because the output that
 * `resume` asks for is complete already
 * @throws Refused with every fault of the options, the topology, its tables and models ·
 * TidemarkError `CONFIG_INVALID`: an input cannot be read, or the output is there · `TOO_MANY_DEAD`
 */
export async function runBatch(
  topology: Topology<unknown>,
  options: RunBatchOptions,
): Promise<BatchResult | null> {
  const { batchInProgram } = await import('./batch/batch-files.ts')
  return batchInProgram(topology, options)
}

/**
 * Works a part of the log again, as `tidemark replay` does, and compares the outputs with those in
 * the topics. Writes nothing, and joins no group.
 * @throws Refused with every fault of the options, the topology, its tables and models ·
 * TidemarkError `CONFIG_INVALID`: the group has committed nothing of the part ·
 * `SCHEMA_NOT_REGISTERED` · or what ends a worker
 */
export async function replay(
  topology: Topology<unknown>,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const { replayInProgram } = await import('./replay/replay.ts')
  return replayInProgram(topology, options)
}
