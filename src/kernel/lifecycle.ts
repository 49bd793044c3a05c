import { TidemarkError } from './errors.ts'

// Lifecycles as data: which state may follow which, and the cause of the transition.

export interface LifecycleTable<S extends string> {
  readonly first: S
  /** By state, the states that may follow it, and the cause of each transition; an end has none. */
  readonly next: Readonly<Record<S, Readonly<Partial<Record<S, string>>>>>
}

export class Lifecycle<S extends string> {
  readonly #whose: string
  readonly #table: LifecycleTable<S>
  #state: S

  constructor(whose: string, table: LifecycleTable<S>) {
    this.#whose = whose
    this.#table = table
    this.#state = table.first
  }

  get state(): S {
    return this.#state
  }

  get isOver(): boolean {
    return Object.keys(this.#table.next[this.#state]).length === 0
  }

  /** @throws TidemarkError `INVARIANT`: the state cannot follow; no state follows itself */
  enter(state: S): void {
    if (this.#table.next[this.#state][state] === undefined) {
      const message = `${this.#whose} cannot go from "${this.#state}" to "${state}"`
      throw new TidemarkError('INVARIANT', message)
    }
    this.#state = state
  }
}
