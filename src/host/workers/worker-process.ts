import { fork } from 'node:child_process'
import { getHeapStatistics } from 'node:v8'
import { memoryOfMachine } from '../../runtime/machine-limits.ts'
import { PACKAGE } from '../own-package.ts'
import type { RunOutline } from '../run-process.ts'
import {
  type FaultData,
  faultOf,
  type Order,
  type Report,
  type WorkerAnswer,
  type WorkerAssignment,
} from './messages.ts'

export type WorkerProcess = ReturnType<typeof startWorkerProcess>

/**
 * How a worker's process has ended. Its reports count, not its exit code: SIGKILL ends it where the
 * run of a model hangs.
 */
export interface End {
  readonly hasRun: boolean
  readonly hasFinished: boolean
  readonly faults: readonly Error[]
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

const WORKER_MAIN = new URL('dist/cli/worker-main.js', PACKAGE)
/** How long to wait for an answer, ms: longer than a healthy worker ever blocks its event loop. */
const ANSWER_WITHIN_MS = 5_000

/** @param prepared called once it has prepared its topologies */
export function startWorkerProcess(
  assignment: WorkerAssignment,
  prepared: (outline: RunOutline) => void,
) {
  // The debugger's port belongs to the parent, and a worker must not wait for a debugger.
  const inherited = process.execArgv.filter((flag) => !flag.startsWith('--inspect'))
  // The number is only for people who list processes.
  const child = fork(WORKER_MAIN, [String(assignment.worker)], {
    execArgv: [...inherited, ...heapFlags(assignment.of)],
    serialization: 'advanced',
    // All processes write to one stderr, each line in one write, so that lines do not mix.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const send = (order: Order) => {
    if (child.connected) child.send(order, () => {})
  }
  /** Callers that wait for an answer of this process, which may hang or end before it. */
  const asking = new Set<(answer: WorkerAnswer | null) => void>()
  const answered = (answer: WorkerAnswer | null) => {
    for (const resolve of asking) resolve(answer)
    asking.clear()
  }
  let [hasRun, hasFinished] = [false, false]
  let port: number | null = null
  let faults: readonly FaultData[] = []
  child.on('message', (report: Report) => {
    if (report.type === 'prepared') prepared(report.outline)
    else if (report.type === 'serving') port = report.port
    else if (report.type === 'running') hasRun = true
    else if (report.type === 'finished') hasFinished = true
    else if (report.type === 'answer') answered(report.answer)
    else faults = report.faults
  })
  const ended = new Promise<Error | null>((resolve) => {
    // Comes after the last message.
    child.once('close', () => resolve(null))
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(error)
    })
  })
  send({ type: 'prepare', assignment })
  return {
    pid: child.pid,
    /** Where it answers requests; `null`: it does not, or not yet. */
    port: () => port,
    /** Never rejects. */
    ended: ended.then((failed): End => {
      answered(null)
      const { exitCode, signalCode: signal } = child
      const all = failed === null ? faults.map(faultOf) : [failed]
      return { hasRun, hasFinished, faults: all, exitCode, signal }
    }),
    run: () => send({ type: 'run' }),
    stop: () => send({ type: 'stop' }),
    kill: (): void => void child.kill('SIGKILL'),
    /** Resolves to its answer; `null`: none within 5 s, or it has ended. */
    ask: () =>
      new Promise<WorkerAnswer | null>((resolve) => {
        asking.add(resolve)
        setTimeout(resolve, ANSWER_WITHIN_MS, null).unref()
        send({ type: 'ask' })
      }),
  }
}

const MEBIBYTE = 2 ** 20
/** With less than this a worker can hardly load its topologies. */
const LEAST_MIB = 256
const LIMIT_FLAG = /--max[-_](?:old[-_]space|heap)[-_]size/

/**
 * Node's heap flags for one of several workers. Each gets the heap that Node would use on a machine
 * with its share of the memory: half of it, up to a limit. A heap size set by the user is kept.
 */
export function heapFlags(
  workers: number,
  {
    given: flags = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''],
    memory = memoryOfMachine(),
    limit = getHeapStatistics().heap_size_limit,
  } = {},
): string[] {
  const share = Math.floor(memory / 2 / workers)
  if (share >= limit || flags.some((flag) => LIMIT_FLAG.test(flag))) return []
  return [`--max-old-space-size=${Math.max(LEAST_MIB, Math.floor(share / MEBIBYTE))}`]
}
