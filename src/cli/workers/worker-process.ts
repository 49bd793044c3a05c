import { type ChildProcess, fork } from 'node:child_process'
import type { RunOutline } from '../banner.ts'
import { PACKAGE } from '../package-root.ts'
import { type FaultData, faultOf } from './fault-data.ts'
import { heapFlags } from './heap-share.ts'
import type { Answers, Assignment, Order, Question, Report } from './messages.ts'

/** A worker in a process of its own, as its parent sees it. */
export interface WorkerProcess {
  /** `undefined`: it could not be started. */
  readonly pid: number | undefined
  /** Lets it work, once it is prepared. */
  run(): void
  /** Tells it to finish what is in flight, and to end. */
  stop(): void
  /** Ends it at once. */
  kill(): void
  /** `null`: it does not answer. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q] | null>
}

/** What is heard of it. */
export interface Heard {
  /** Its files are checked and its models loaded. */
  prepared(outline: RunOutline): void
  /** It is a member of the group, and reads. */
  running(): void
  /** The last that is heard. */
  ended(end: End): void
}

/** How it has ended. */
export interface End {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What it gave as its reasons. */
  readonly faults: readonly Error[]
}

const WORKER_MAIN = new URL('dist/cli/workers/worker-main.js', PACKAGE)
/** Longer than a worker that is well is ever busy without a pause, ms. */
const ANSWER_WITHIN_MS = 5_000

/** Starts the process of a worker, which prepares at once. */
export function startWorkerProcess(assignment: Assignment, heard: Heard): WorkerProcess {
  // The number is for whoever lists processes.
  const child = fork(WORKER_MAIN, [String(assignment.worker)], {
    execArgv: [...process.execArgv.filter(isForAll), ...heapFlags(assignment.of)],
    serialization: 'advanced',
    // All write to one log, each line at once, so that none gets into another.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  // To one that has just ended, or could not be started, nothing can be said, nor has to.
  const send = (order: Order) => {
    if (child.connected) child.send(order, () => {})
  }
  const questions = new Questions(send)
  let faults: readonly FaultData[] = []
  child.on('message', (report: Report) => {
    if (report.type === 'prepared') heard.prepared(report.outline)
    else if (report.type === 'running') heard.running()
    else if (report.type === 'answer') questions.answered(report.id, report.answer)
    else faults = report.faults
  })
  whenEnded(child, (exitCode, signal, failed) => {
    const told = faults.map(faultOf)
    heard.ended({ exitCode, signal, faults: failed === null ? told : [failed, ...told] })
    questions.giveUp()
  })
  send({ type: 'prepare', assignment })
  return {
    pid: child.pid,
    run: () => send({ type: 'run' }),
    stop: () => send({ type: 'stop' }),
    kill: () => void child.kill('SIGKILL'),
    ask: (question) => questions.ask(question),
  }
}

/**
 * A debugger's port is its parent's alone, and nobody would let go on what waits for a debugger.
 */
function isForAll(flag: string): boolean {
  return !flag.startsWith('--inspect')
}

/** Calls back once: after the last message, or when it could not be started. */
function whenEnded(
  child: ChildProcess,
  tell: (code: number | null, signal: NodeJS.Signals | null, failed: Error | null) => void,
): void {
  let left = 2
  const one = () => {
    if (--left === 0) tell(child.exitCode, child.signalCode, null)
  }
  child.once('exit', one)
  child.once('disconnect', one)
  child.on('error', (error) => {
    if (child.pid === undefined) tell(null, null, error)
  })
}

type Answer = Answers[Question]

/** Questions to a process that may hang, or end. */
class Questions {
  readonly #send: (order: Order) => void
  readonly #open = new Map<number, (answer: Answer | null) => void>()
  #asked = 0

  constructor(send: (order: Order) => void) {
    this.#send = send
  }

  ask<Q extends Question>(question: Q): Promise<Answers[Q] | null> {
    const id = this.#asked++
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.answered(id, null), ANSWER_WITHIN_MS)
      this.#open.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer as Answers[Q] | null)
      })
      this.#send({ type: 'ask', id, question })
    })
  }

  answered(id: number, answer: Answer | null): void {
    this.#open.get(id)?.(answer)
    this.#open.delete(id)
  }

  giveUp(): void {
    for (const id of this.#open.keys()) this.answered(id, null)
  }
}
