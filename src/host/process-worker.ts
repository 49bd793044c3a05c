import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { kafka } from '../connect/kafka/connector.ts'
import { unlessAborted } from '../kernel/clock.ts'
import { faultsOf } from '../kernel/errors.ts'
import { isInContainer, isLoopback } from '../kernel/node.ts'
import { grouped } from '../kernel/wording.ts'
import type { WorkerConfig } from '../runtime/config.ts'
import type { Observer } from '../runtime/events.ts'
import { limitOfContainer, memoryOfMachine, memoryShortage } from '../runtime/machine-limits.ts'
import { groupOf, type Prepared, scorersOf } from '../runtime/prepared.ts'
import { type LogRange, rangeInWords } from '../runtime/start/bounded-range.ts'
import { type Scorer, shownEvaluator, shownSize } from '../scoring/scorer.ts'
import { readinessOf } from '../serve/health.ts'
import { type Hosted, hostWorker } from './host-worker.ts'
import { httpAddressOf, predictAddressOf, type RunOutline, type RunProcess } from './run-process.ts'
import { chosenServices } from './services.ts'
import { configOf, type RunConfig } from './settings.ts'
import { prepareFiles } from './topology-files.ts'
import { summaryOf, variantLines } from './topology-lines.ts'
import { NO_NAME } from './worker-name.ts'
import { faultData, type ParentLink } from './workers/messages.ts'

// The worker of a process, by the settings of the process.

interface BoundedProcess extends RunProcess {
  /** The range of the topic at whose end the worker stops. @default without an end */
  readonly bounded?: { readonly range: LogRange; readonly observer: Observer }
}

/** Runs a worker in this process until told to stop. @throws as {@link RunningWorker.done} rejects */
export async function runWorkerHere(
  files: readonly string[],
  config: RunConfig,
  here: RunProcess,
): Promise<void> {
  const prepared = await prepareFiles(files, configOf(config), chosenServices(config))
  await workHere(prepared, config, here)
}

export async function workHere(
  prepared: Prepared,
  config: RunConfig,
  { stop, openLog, droppedLines, announce, bounded }: BoundedProcess,
): Promise<void> {
  if (stop.aborted) return prepared.close()
  const http = httpAddressOf(config)
  const predict = predictAddressOf(config)
  await work({
    prepared,
    ...(bounded && { range: bounded.range }),
    config: configOf(config),
    options: {
      ...{ ...kafka.optionsOf(config), log: openLog(), signal: stop },
      ...(http && { http }),
      ...(predict && { predict }),
      ...(bounded && { observer: bounded.observer }),
    },
    droppedLines,
    announce: (name, at) => {
      const { lines, ...outline } = outlineOf(prepared, config)
      const range = bounded ? [['range', rangeInWords(bounded.range)] as const] : []
      announce({ ...outline, lines: [...lines, ...range] }, { names: name ?? NO_NAME, ...at })
    },
  })
}

/**
 * How far V8's heap grows, with the buffers that it refers to, before garbage is looked for. By
 * default a small heap may become four times as large, most of it buffers of records that are
 * committed.
 */
const GROWS_BY_PERCENT = 50

async function work(hosted: Hosted): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${GROWS_BY_PERCENT}`)
  const worker = await hostWorker(hosted)
  await worker.done
}

function outlineOf(prepared: Prepared, config: RunConfig, workers = 1): RunOutline {
  const lines = prepared.topologies.flatMap((topology) => [
    ['topology', summaryOf(topology)] as const,
    ...scorersOf(topology).map((scorer) => ['model', modelLine(scorer)] as const),
    ...topology.shadows.map(({ scorer }) => ['shadow', modelLine(scorer)] as const),
    ['by', topology.by] as const,
  ])
  const variants = variantLines(prepared.variants).map((line) => ['variant', line] as const)
  const memory = ['memory', memoryLine(configOf(config, workers), workers)] as const
  const shortage = memoryShortage(memoryOfMachine() / workers) ?? []
  const notes = [...prepared.notes, ...containerNotes(config), shortage].flat()
  return { group: groupOf(config.group, prepared), lines: [...lines, ...variants, memory], notes }
}

/** `512 MB, the container's limit: heap 259 MB, windows 125 MB, in flight 64 MB`, of each worker. */
function memoryLine({ maxStateBytes, maxInFlightBytes }: WorkerConfig, workers: number): string {
  const shown = (bytes: number) => `${grouped(Math.round(bytes / 1_000_000))} MB`
  const limit = limitOfContainer() === null ? '' : ", the container's limit"
  const parts = {
    heap: getHeapStatistics().heap_size_limit,
    windows: maxStateBytes,
    'in flight': maxInFlightBytes,
  }
  const each = Object.entries(parts).map(([name, bytes]) => `${name} ${shown(bytes)}`)
  const ofEach = workers === 1 ? '' : ' of each worker'
  return `${shown(memoryOfMachine())}${limit}; at most${ofEach}: ${each.join(', ')}`
}

function containerNotes({ httpPort, httpHost }: RunConfig): string[] {
  if (httpPort === 'off' || !isLoopback(httpHost) || !isInContainer()) return []
  return [`in a container, probes do not reach ${httpHost}: set --http-host 0.0.0.0`]
}

function modelLine({ label, sha256, evaluator, size }: Scorer): string {
  return `${label}  sha256 ${sha256.slice(0, 12)}…  by ${shownEvaluator(evaluator)}${shownSize(size)}`
}

/**
 * Runs one of several workers in this process. Tells the parent how it ends.
 * @throws what it tells
 */
export async function workFor(
  parent: ParentLink,
  logOf: (config: RunConfig, worker: number) => Pick<RunProcess, 'openLog' | 'droppedLines'>,
): Promise<void> {
  try {
    await prepareAndWork(parent, logOf)
    await parent.tell({ type: 'finished' })
  } catch (thrown) {
    await parent.tell({ type: 'failed', faults: faultsOf(thrown).map(faultData) })
    throw thrown
  }
}

async function prepareAndWork(
  parent: ParentLink,
  logOf: Parameters<typeof workFor>[1],
): Promise<void> {
  const { stop } = parent
  const assignment = await unlessAborted(stop, parent.assignment)
  if (assignment === null) return
  const { worker, of: count, files, config, advertise } = assignment
  const { openLog, droppedLines } = logOf(config, worker)
  const settings = configOf(config, count)
  const token = config.predictTokenFile
  const predict = advertise && { port: 0, token, advertise: `${advertise}#${worker}` }
  const prepared = await prepareFiles(files, settings, chosenServices(config))
  await parent.tell({ type: 'prepared', outline: outlineOf(prepared, config, count) })
  const released = await unlessAborted(stop, parent.released)
  if (released === null) return prepared.close()
  await work({
    prepared,
    config: settings,
    options: {
      ...{ ...kafka.optionsOf(config), log: openLog(), signal: stop },
      ...(predict && { predict }),
      observer: (event) => {
        if (event.type === 'state' && event.state === 'running') {
          void parent.tell({ type: 'running' })
        }
      },
    },
    droppedLines,
    announce: (_, at) => {
      if (at.predict !== null) void parent.tell({ type: 'serving', port: at.predict.port })
    },
    expose: ({ worker: observed, metrics, status }) => {
      parent.answering = async () => {
        const readiness = readinessOf(observed)
        return { readiness, metrics: await metrics.data(), status: status() }
      }
    },
  })
}
