import { TidemarkError } from './errors.ts'

// What something goes through from its beginning to its end, as data: which state may follow which,
// and what brings it about.

/** The states of one kind of thing. */
export interface LifecycleTable<S extends string> {
  readonly first: S
  /**
   * From each state, those that may follow, with what brings them about. A state that none follows
   * is an end.
   */
  readonly next: Readonly<Record<S, Readonly<Partial<Record<S, string>>>>>
}

/** Where one thing is in its life. */
export class Lifecycle<S extends string> {
  readonly #whose: string
  readonly #table: LifecycleTable<S>
  #state: S
  #isOver: boolean

  /** @param whose life it is, for the message of an error */
  constructor(whose: string, table: LifecycleTable<S>) {
    this.#whose = whose
    this.#table = table
    this.#state = table.first
    this.#isOver = isEnd(table, table.first)
  }

  get state(): S {
    return this.#state
  }

  /** Does no state follow any more? */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * @throws TidemarkError `INVARIANT`: it cannot follow the state that this is in, nor does a state
   * follow itself
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
