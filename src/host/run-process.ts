import type { Log } from '../observe/log.ts'
import type { RunningWorker } from './running-worker.ts'
import type { RunConfig } from './settings.ts'

// The surroundings of a process with a worker, and of the parent of several. This file loads
// neither models nor a client of Kafka, which the parent does not need.

/** The lines that people read when workers start. */
export interface RunOutline {
  readonly group: string
  readonly lines: readonly (readonly [name: string, value: string])[]
  readonly notes: readonly string[]
}

interface RunPlace extends Pick<RunningWorker, 'http' | 'predict'> {
  readonly names: string
}

/** Where a process logs, and who tells it to stop. */
export interface RunProcess {
  readonly stop: AbortSignal
  /** Until it is called, warnings come as notes. */
  readonly openLog: () => Log
  /** The number of log lines that could not be written. */
  readonly droppedLines: () => number
  /** Called once, before any worker works. */
  readonly announce: (outline: RunOutline, place: RunPlace) => void
}

export function httpAddressOf({ httpPort, httpHost: host, httpTokenFile: token }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host, token }
}

export function predictAddressOf({ predictPort: port, predictHost: host, ...config }: RunConfig) {
  const { predictTokenFile: token, predictAdvertise: advertise } = config
  return port === null ? null : { port, host, token, advertise }
}
