import type { Topology } from '../topology/stream.ts'
import type { RunWorkerOptions } from './options.ts'
import type { RunningWorker } from './running-worker.ts'

/**
 * Joins a consumer group on Kafka and scores until it is stopped: what `tidemark run` does, in a
 * process of one's own. It ends no process, listens to no signal of the system, writes nowhere and
 * serves nothing, unless asked to.
 *
 *     const worker = await runWorker(topology, { brokers: ['kafka:9092'], log: pino() })
 *     process.once('SIGTERM', () => void worker.stop())
 *     await worker.done
 *
 * Returns when topologies, tables and models are checked and loaded. While no broker answers it
 * goes on trying, in state `unavailable`, which the observer and the log are told.
 *
 * @param topologies up to 16 on one source; each keeps windows of its own
 * @throws Refused with every fault of the options (`CONFIG_INVALID`), else of every topology, table
 * and model; then nothing was consumed · TidemarkError `CONFIG_INVALID` when HTTP cannot be served
 */
export async function runWorker(
  topologies: Topology<unknown> | readonly Topology<unknown>[],
  options: RunWorkerOptions = {},
): Promise<RunningWorker> {
  // Loaded here and not before: who defines a topology needs neither a client for Kafka nor a
  // runtime for models.
  const { prepareAndHost } = await import('./host-worker.ts')
  return prepareAndHost([topologies].flat(), options)
}
