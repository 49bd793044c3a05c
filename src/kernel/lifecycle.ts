import { TidemarkError } from './errors.ts'

// Lifecycles as data: which state may follow which, and what causes the transition.

/** The states of one kind of object. */
export interface LifecycleTable<S extends string> {
  readonly first: S
  /**
   * For each state, the states that may follow it and what causes each transition. A state with no
   * successor is an end state.
   */
  readonly next: Readonly<Record<S, Readonly<Partial<Record<S, string>>>>>
}

/** The current state of one object. */
export class Lifecycle<S extends string> {
  readonly #whose: string
  readonly #table: LifecycleTable<S>
  #state: S
  #isOver: boolean

  /** @param whose whose lifecycle it is, for error messages */
  constructor(whose: string, table: LifecycleTable<S>) {
    this.#whose = whose
    this.#table = table
    this.#state = table.first
    this.#isOver = isEnd(table, table.first)
  }

  /** The current state. */
  get state(): S {
    return this.#state
  }

  /** Is it in an end state? */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Moves to another state.
   * @throws TidemarkError `INVARIANT`: the state cannot follow the current one; no state follows
   * itself
   */
  enter(state: S): void {
    if (this.#table.next[this.#state][state] === undefined) {
      throw new TidemarkError(
        'INVARIANT',
        `${this.#whose} cannot go from "${this.#state}" to "${state}"`,
      )
    }
    this.#state = state
    this.#isOver = isEnd(this.#table, state)
  }
}

function isEnd<S extends string>({ next }: LifecycleTable<S>, state: S): boolean {
  return Object.keys(next[state]).length === 0
}
