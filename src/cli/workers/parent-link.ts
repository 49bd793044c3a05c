import type { Answers, Assignment, Order, Question, Report } from './messages.ts'

/** What can be asked of this process. */
export type Answering = { readonly [Q in Question]: () => Answers[Q] | Promise<Answers[Q]> }

const NOT_YET: Answering = {
  readiness: () => ({ ready: false, state: 'starting', partitions: 0, restoring: 0 }),
  metrics: () => [],
}

/** The parent of this process, as the worker in it sees it. */
export class ParentLink {
  /** What it is to do. */
  readonly assignment: Promise<Assignment>
  /** Resolves when it may work. */
  readonly released: Promise<void>
  /** Resolves when it is to end: the parent says so or is gone, or the system says so. */
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
    // A parent that was killed says nothing.
    process.on('disconnect', stop)
    // A terminal and a service manager tell all processes at once. Who is in a hurry ends the
    // parent, and that ends this one.
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
  }

  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** Resolves when it is on its way, or there is nobody to hear it. */
  tell(report: Report): Promise<void> {
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) return resolve()
      process.send(report, undefined, undefined, () => resolve())
    })
  }

  /** From now on it has something to answer. */
  answersWith(answering: Answering): void {
    this.#answering = answering
  }

  /** Lets this process end. */
  close(): void {
    if (process.connected) process.disconnect()
  }

  async #answer(id: number, question: Question): Promise<void> {
    const answer = await this.#answering[question]()
    await this.tell({ type: 'answer', id, answer })
  }
}
