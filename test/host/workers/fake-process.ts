import type { RunOutline } from '../../../src/host/run-process.ts'
import { KeptWorker } from '../../../src/host/workers/kept-worker.ts'
import type { WorkerAnswer } from '../../../src/host/workers/messages.ts'
import type { End, WorkerProcess } from '../../../src/host/workers/worker-process.ts'
import { ConditionVariable } from '../../../src/kernel/condition-variable.ts'
import type { Log } from '../../../src/observe/log.ts'
import { HandClock, longestWaits } from '../../support/clocks.ts'

// Workers whose processes do what a test says.

const OUTLINE: RunOutline = { group: 'g', lines: [], notes: [] }
/** The end of a process that was told to stop. */
export const IN_ORDER: End = {
  hasRun: true,
  hasFinished: true,
  faults: [],
  exitCode: 0,
  signal: null,
}
export const KILLED: End = {
  hasRun: false,
  hasFinished: false,
  faults: [],
  exitCode: null,
  signal: 'SIGKILL',
}

/** A process that was started, and what it was told. */
export class FakeProcess implements WorkerProcess {
  readonly pid = 4_711
  readonly port = () => null
  readonly worker: number
  readonly ended: Promise<End>
  readonly told: ('run' | 'stop' | 'kill')[] = []
  /** Its answer; without one it hangs. */
  answer: WorkerAnswer | null = null
  readonly #prepared: (outline: RunOutline) => void
  readonly #changed: ConditionVariable
  #end: (end: End) => void = () => {}
  #hasRun = false

  constructor(worker: number, prepared: (outline: RunOutline) => void, changed: ConditionVariable) {
    this.worker = worker
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#prepared = prepared
    this.#changed = changed
  }

  run(): void {
    this.told.push('run')
  }

  stop(): void {
    this.told.push('stop')
    this.#changed.notifyAll()
  }

  kill(): void {
    this.told.push('kill')
    this.end(KILLED)
  }

  async ask(): Promise<WorkerAnswer | null> {
    return this.answer
  }

  /** It gets as far as to work. */
  begin(): void {
    this.#prepared(OUTLINE)
    this.#hasRun = true
  }

  end(end: End): void {
    this.#end({ ...end, hasRun: this.#hasRun })
  }
}

/** Workers of fake processes by a clock that the test moves. */
export class Fakes {
  readonly clock = new HandClock(0)
  /** Every process that was started, in that order. */
  readonly processes: FakeProcess[] = []
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[] =
    []
  readonly #changed = new ConditionVariable()

  keptWorker(worker: number): KeptWorker {
    return new KeptWorker({
      worker,
      start: (prepared) => {
        const process = new FakeProcess(worker, prepared, this.#changed)
        this.processes.push(process)
        this.#changed.notifyAll()
        return process
      },
      log: this.#log(),
      clock: this.clock,
      random: longestWaits,
    })
  }

  /** The last of so many processes, once it was started. */
  async started(count: number): Promise<FakeProcess> {
    await this.#changed.until(() => this.processes.length >= count)
    return this.processes[count - 1] as FakeProcess
  }

  /** Resolves when a process was told to stop. */
  toldToStop(process: FakeProcess): Promise<void> {
    return this.#changed.until(() => process.told.includes('stop'))
  }

  #log(): Log {
    const at = (level: string) => (fields: object, message: string) => {
      this.lines.push({ level, message, fields })
    }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
}
