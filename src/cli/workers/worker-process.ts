import { type ChildProcess, fork } from 'node:child_process'
import type { RunOutline } from '../banner.ts'
import { PACKAGE } from '../package-root.ts'
import type { StageDurations } from '../stage-report.ts'
import { type FaultData, faultOf } from './fault-data.ts'
import { heapFlags } from './heap-share.ts'
import type { Answers, Assignment, Order, Question, Report } from './messages.ts'

/** A worker's process, as seen by the parent. */
export interface WorkerProcess {
  /** Process id; `undefined`: it could not be started. */
  readonly pid: number | undefined
  /** Lets it work; call it once it is prepared. */
  run(): void
  /** Tells it to finish what is in flight, and to end. */
  stop(): void
  /** Kills it. */
  kill(): void
  /** Resolves to its answer; `null`: none within 5 s, or it has ended. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q] | null>
}

/** Callbacks on what a worker's process reports. */
export interface ProcessHandlers {
  /** Its files are checked and its models loaded. */
  prepared(outline: RunOutline): void
  /** It is a member of the group, and reads. */
  running(): void
  /** It has stopped cleanly: how long each stage took. */
  finished(stages: StageDurations): void
  /** It has ended; no other call follows. */
  ended(end: End): void
}

/** How a worker's process has ended. */
export interface End {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** The faults that it reported, or why it could not be started. */
  readonly faults: readonly Error[]
}

const WORKER_MAIN = new URL('dist/cli/workers/worker-main.js', PACKAGE)
/** How long to wait for an answer, ms: longer than a healthy worker ever blocks its event loop. */
const ANSWER_WITHIN_MS = 5_000

/** Starts the process of a worker; it prepares immediately. */
export function startWorkerProcess(assignment: Assignment, heard: ProcessHandlers): WorkerProcess {
  // The number is only for people who list processes.
  const child = fork(WORKER_MAIN, [String(assignment.worker)], {
    execArgv: [...process.execArgv.filter(isInherited), ...heapFlags(assignment.of)],
    serialization: 'advanced',
    // All processes write to the same stderr, each line in one write, so that lines do not mix.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  // Nothing can be sent to a process that has ended or could not be started, nor need it be.
  const send = (order: Order) => {
    if (child.connected) child.send(order, () => {})
  }
  const questions = new Questions(send)
  let faults: readonly FaultData[] = []
  child.on('message', (report: Report) => {
    if (report.type === 'prepared') heard.prepared(report.outline)
    else if (report.type === 'running') heard.running()
    else if (report.type === 'finished') heard.finished(report.stages)
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

/** The debugger's port belongs to the parent, and a worker must not wait for a debugger. */
function isInherited(flag: string): boolean {
  return !flag.startsWith('--inspect')
}

/** Calls back once: after the last message, or if the process could not be started. */
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

/** Questions to a process that may hang or end before it answers. */
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
