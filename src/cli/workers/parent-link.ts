import type { Answers, Assignment, Order, Question, Report } from './messages.ts'

/** How this process answers each question. */
export type Answering = { readonly [Q in Question]: () => Answers[Q] | Promise<Answers[Q]> }

const NOT_YET: Answering = {
  readiness: () => ({ ready: false, state: 'starting', partitions: 0, restoring: 0 }),
  metrics: () => [],
}

/** The connection of a worker's process to its parent. */
export class ParentLink {
  /** What this process is to do. */
  readonly assignment: Promise<Assignment>
  /** Resolves when the parent lets it work. */
  readonly released: Promise<void>
  /** Resolves when it is to stop: the parent says so, the parent is gone, or a signal arrives. */
  readonly stopped: Promise<void>
  #hasStopped = false
  #answering = NOT_YET

  constructor() {
    let assign: (assignment: Assignment) => void = () => {}
    this.assignment = new Promise((resolve) => (assign = resolve))
    let release = () => {}
    this.released = new Promise((resolve) => (release = resolve))
    let stop = () => {}
    this.stopped = new Promise((resolve) => {
      stop = () => {
        this.#hasStopped = true
        resolve()
      }
    })
    process.on('message', (order: Order) => {
      if (order.type === 'prepare') assign(order.assignment)
      else if (order.type === 'run') release()
      else if (order.type === 'stop') stop()
      else void this.#answer(order.id, order.question)
    })
    // A parent that was killed sends no message.
    process.on('disconnect', stop)
    // A terminal or a service manager sends the signal to all processes. A second one makes the
    // parent exit at once, and with it this process.
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  }

  /** Whether `stopped` has resolved. */
  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** Sends a message. Resolves when it is sent, or if there is no parent any more. */
  tell(report: Report): Promise<void> {
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) return resolve()
      process.send(report, undefined, undefined, () => resolve())
    })
  }

  /** Sets how questions are answered from now on. */
  answersWith(answering: Answering): void {
    this.#answering = answering
  }

  /** Disconnects from the parent, so that this process can end. */
  close(): void {
    if (process.connected) process.disconnect()
  }

  async #answer(id: number, question: Question): Promise<void> {
    const answer = await this.#answering[question]()
    await this.tell({ type: 'answer', id, answer })
  }
}
