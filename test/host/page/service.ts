import {
  type Observer,
  Refused,
  type ReplayOptions,
  type RunningWorker,
  type RunWorkerOptions,
  replay,
  runWorker,
  TidemarkError,
} from 'tidemark'
import topology from '../../../topologies/card-fraud.ts'

// The examples of docs/embedding.md.

export async function scoreUntil(signal: AbortSignal, options: RunWorkerOptions): Promise<void> {
  const worker = await runWorker(topology, { ...options, signal })
  for (const note of worker.notes) options.log?.warn({}, note)
  await worker.done
}

/** Ends with the process that it lives in. */
export async function scoreWithProcess(options: RunWorkerOptions): Promise<RunningWorker> {
  const worker = await runWorker(topology, options)
  const stop = () => void worker.stop()
  process.once('SIGTERM', stop)
  const forget = () => process.off('SIGTERM', stop)
  void worker.done.then(forget, forget)
  return worker
}

/** Every fault at once, one line each. */
export function explain(thrown: unknown): string[] {
  const faults = thrown instanceof Refused ? thrown.faults : [thrown]
  return faults.map((fault) => {
    if (!(fault instanceof TidemarkError)) return String(fault)
    const { code, message, where = '', hint = '' } = fault
    return [code, message, where, hint].filter((part) => part !== '').join(' · ')
  })
}

/** Is it running, and how many events has it scored? */
export class Gauge {
  isRunning = false
  scored = 0
  readonly observer: Observer = (event) => {
    if (event.type === 'state') this.isRunning = event.state === 'running'
    if (event.type === 'processed') this.scored += event.outcomes.scored
  }
}

/** Whether the log of the last day still makes what was written then, to the bit. */
export async function isReproducible(options: ReplayOptions): Promise<boolean> {
  const from = { timeMs: Date.now() - 86_400_000 }
  const { isEqual, text } = await replay(topology, { ...options, from, verify: true })
  if (isEqual !== true) console.error(text)
  return isEqual === true
}
