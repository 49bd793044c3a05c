import { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import { wallClock } from '../kernel/clock.ts'
import { codeOf, faultsOf, messageOf, TidemarkError } from '../kernel/errors.ts'
import { packageVersion } from '../kernel/node.ts'
import type { Log } from '../observe/log.ts'
import { logEvents } from '../observe/log-events.ts'
import type { Metrics } from '../observe/metric-registry.ts'
import { createMetrics } from '../observe/metrics.ts'
import { ObservedWorker } from '../observe/observed-worker.ts'
import { observeAll } from '../observe/observer.ts'
import { statusOf, type WorkerStatus } from '../observe/status.ts'
import type { WorkerConfig } from '../runtime/config.ts'
import { REQUEST_ROUTES } from '../runtime/events.ts'
import { groupOf, type Prepared } from '../runtime/prepared.ts'
import type { LogRange } from '../runtime/start/bounded-range.ts'
import { prepare } from '../runtime/start/prepare.ts'
import { startWorker, type Worker } from '../runtime/worker.ts'
import { probesOf } from '../serve/health.ts'
import type { RequestServer } from '../serve/request-server.ts'
import type { Definition } from '../topology/definition.ts'
import { checkedConfig, type RunWorkerOptions } from './options.ts'
import type { RunningWorker } from './running-worker.ts'
import { watchedTopology } from './watched-topology.ts'
import { claimName, type WorkerName } from './worker-name.ts'

// A worker with everything it needs. The process may belong to someone else, so this code ends
// nothing but the worker itself.

/** Does what {@link runWorker} says. */
export async function prepareAndHost(
  topologies: readonly Definition[],
  options: RunWorkerOptions,
): Promise<RunningWorker> {
  const config = checkedConfig(topologies, options)
  const prepared = await prepare(topologies, config, { ...options, systems: options })
  return hostWorker({ prepared, config, options })
}

type HostOptions = Omit<RunWorkerOptions, keyof WorkerConfig>

interface Exposed {
  readonly worker: ObservedWorker
  readonly metrics: Metrics
  readonly status: () => WorkerStatus
}

export interface Hosted {
  readonly prepared: Prepared
  readonly config: WorkerConfig
  readonly options: HostOptions
  /** The part of the topic that is read. @default all of it, without an end */
  readonly range?: LogRange
  /** The number of log lines that could not be written. @default none */
  readonly droppedLines?: () => number
  /** Called before the first request to a broker. @param name `null`: the worker has none */
  readonly announce?: (name: string | null, at: Pick<RunningWorker, 'http' | 'predict'>) => void
  /** Called with what HTTP serves, so that it can be served otherwise. */
  readonly expose?: (exposed: Exposed) => void
}

/**
 * Starts a worker on Kafka. Everything that belongs to it ends with it, the models as well.
 * @throws TidemarkError `CONFIG_INVALID` when HTTP cannot be served, or the metrics are there already
 * · `CLIENT_BROKEN`
 */
export async function hostWorker(hosted: Hosted): Promise<RunningWorker> {
  const { prepared, config, options, range, announce } = hosted
  const { log, signal } = options
  const group = groupOf(config.group, prepared)
  const name = await claimName(config.workerName, group)
  let watch: Awaited<ReturnType<typeof watchers>> | null = null
  let worker: Worker | null = null
  let records: KafkaRecords | null = null
  let predict: RequestServer | null = null
  const close = async () => {
    await records?.close()
    name.release()
    await Promise.all([watch?.http?.close(), predict?.close()])
    watch?.metrics?.close()
    await prepared.close()
  }
  try {
    watch = await watchers(hosted, config)
    if (options.predict !== undefined) {
      const { serveRequests } = await import('../serve/worker-requests.ts')
      const membership = () => worker?.membership ?? null
      const asked = { topologies: prepared.topologies, observer: watch.observer, membership }
      predict = await serveRequests(options.predict, asked)
    }
    records = recordsOf(config, options, { name, observed: watch.worker })
  } catch (thrown) {
    await close()
    throw thrown
  }
  const { http, observer } = watch
  const workerName = name.text
  announce?.(workerName, { http, predict })
  const { guarantee } = config
  log?.info({ group, guarantee, ...(workerName && { workerName }) }, 'worker starts')
  worker = startWorker({
    config,
    prepared,
    records,
    group,
    observer,
    ...(range && { range }),
    ...(predict && { advertise: predict.advertised }),
  })
  const started = worker
  const stop = () => void started.stop().catch(() => {})
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  const done = ended(started, log, () => {
    signal?.removeEventListener('abort', stop)
    return close()
  })
  // Callers may await `done`, but need not: an unhandled rejection must not end the process.
  done.catch(() => {})
  return {
    group,
    notes: prepared.notes,
    http,
    predict,
    done,
    stop: () => {
      stop()
      return done
    },
  }
}

/** Logs the faults that end it one by one, with their codes. */
async function ended(worker: Worker, log: Log | undefined, close: () => Promise<void>) {
  try {
    await worker.done
  } catch (thrown) {
    for (const fault of faultsOf(thrown)) {
      const { where, hint } = fault instanceof TidemarkError ? fault : {}
      log?.error({ code: codeOf(fault), where, hint }, messageOf(fault))
    }
    throw thrown
  } finally {
    await close()
  }
}

function recordsOf(
  { brokers, sessionTimeoutMs }: WorkerConfig,
  { tls, sasl, log }: HostOptions,
  { name, observed }: { readonly name: WorkerName; readonly observed: ObservedWorker },
): KafkaRecords {
  const known = name.isDefault ? 'defaultName' : 'workerName'
  return new KafkaRecords({
    brokers,
    ...(tls && { tls }),
    ...(sasl && { sasl }),
    ...(name.text === null ? {} : { [known]: name.text }),
    sessionTimeoutMs,
    // While the worker is not running, the reason of its state says what is wrong.
    log: (warning) => {
      if (observed.state === 'running') log?.warn({}, warning)
    },
  })
}

async function watchers(
  { prepared, options, droppedLines = () => 0, expose }: Hosted,
  { statusEveryMs }: WorkerConfig,
) {
  const { log, observer, http: address, metrics: registry } = options
  const topologies = prepared.topologies.map(watchedTopology)
  const worker = new ObservedWorker(wallClock, topologies)
  const observers = observer ? [observer] : []
  if (log !== undefined) observers.push(logEvents(log, { worker, clock: wallClock, statusEveryMs }))
  let http: RequestServer | null = null
  let metrics: Metrics | null = null
  if (address !== undefined || expose !== undefined || registry !== undefined) {
    const requestRoutes = options.predict === undefined ? [] : REQUEST_ROUTES
    const sources = { topologies, worker, droppedLines, requestRoutes }
    const created = createMetrics({ version: packageVersion(), ...sources }, registry)
    metrics = created
    observers.unshift(created.observer)
    const status = () => statusOf(worker, topologies)
    expose?.({ worker, metrics: created, status })
    if (address !== undefined) {
      const { serveHttp } = await import('../serve/http.ts')
      http = await serveHttp({
        ...{ ...address, probes: probesOf(worker), metrics: created },
        status: async () => [{ worker: null, ...status() }],
      }).catch((thrown: unknown) => {
        created.close()
        throw thrown
      })
    }
  }
  return { observer: observeAll(worker.observer, ...observers), worker, http, metrics }
}
