import type { Topology } from '../topology/stream.ts'
import type { RunWorkerOptions } from './options.ts'
import type { RunningWorker } from './running-worker.ts'

/**
 * Joins a consumer group on Kafka and scores until it is stopped, as `tidemark run` does, within
 * your own process. It does not end the process, handles no signals, and writes and serves nothing
 * unless asked to.
 *
 *     const worker = await runWorker(topology, { brokers: ['kafka:9092'], log: pino() })
 *     process.once('SIGTERM', () => void worker.stop())
 *     await worker.done
 *
 * Returns once topologies, tables and models are checked and loaded. While no broker answers it
 * keeps trying, in state `unavailable`, which is reported to the observer and the log.
 *
 * @param topologies up to 16 on one source; each keeps its own windows
 * @throws Refused with every fault of the options (`CONFIG_INVALID`), or else of every topology,
 * table and model; nothing was consumed then · TidemarkError `CONFIG_INVALID` when HTTP cannot be
 * served, or another worker has its metrics in `metrics`
 */
export async function runWorker(
  topologies: Topology<unknown> | readonly Topology<unknown>[],
  options: RunWorkerOptions = {},
): Promise<RunningWorker> {
  // Imported only here: code that merely defines a topology needs neither a Kafka client nor a
  // model runtime.
  const { prepareAndHost } = await import('./host-worker.ts')
  return prepareAndHost([topologies].flat(), options)
}
