import type { Place } from '../golden/answers.ts'

// Compares what two ways of working have answered to the records of one log.

/** What came of a record. */
export interface Answer {
  readonly place: Place
  readonly is: 'output' | 'letter'
  /** Of a dead letter its code. */
  readonly value: unknown
}

/** By place of the record, values as JSON. */
type Values = Map<number, string>

/** Every answer once. */
export class Answers {
  readonly output: Values = new Map()
  readonly letter: Values = new Map()
  /** Answers that came again. */
  repeated = 0

  /** @param value JSON */
  add({ place, is, value }: Answer): void {
    const at = numberOf(place)
    if (this.output.has(at) || this.letter.has(at)) this.repeated++
    else this[is].set(at, value as string)
  }
}

/** Compares the answers of another way, each with the first's for the same record. */
export class Comparison {
  readonly output: Tally
  readonly letter: Tally

  /**
   * @param without places that the other way has not seen
   * @param of the part of an output that the other way has
   */
  constructor(
    { output, letter }: Answers,
    without: readonly Place[] = [],
    of: (value: unknown) => unknown = (value) => value,
  ) {
    const left = new Set(without.map(numberOf))
    this.output = new Tally(output, of)
    this.letter = new Tally(new Map([...letter].filter(([at]) => !left.has(at))))
  }

  take({ place, is, value }: Answer): void {
    this[is].take(numberOf(place), value)
  }

  get isSame(): boolean {
    return this.output.compared > 0 && this.output.isSame && this.letter.isSame
  }
}

class Tally {
  cells = 0
  different = 0
  /** Answers to no record of the other way, and those that came again. */
  stray = 0
  readonly #expected: Values
  readonly #of: (value: unknown) => unknown
  readonly #seen = new Set<number>()

  constructor(expected: Values, of: (value: unknown) => unknown = (value) => value) {
    this.#expected = expected
    this.#of = of
  }

  take(at: number, value: unknown): void {
    const expected = this.#expected.get(at)
    if (expected === undefined || this.#seen.has(at)) {
      this.stray++
      return
    }
    this.#seen.add(at)
    this.#compare(this.#of(JSON.parse(expected)), value)
  }

  get compared(): number {
    return this.#seen.size
  }

  get missing(): number {
    return this.#expected.size - this.#seen.size
  }

  get isSame(): boolean {
    return this.different + this.stray + this.missing === 0
  }

  /** A cell that only one of both has is different. */
  #compare(a: unknown, b: unknown): void {
    if (isObject(a) && isObject(b)) {
      for (const name in { ...a, ...b }) this.#compare(a[name], b[name])
      return
    }
    this.cells++
    if (!Object.is(a, b)) this.different++
  }
}

function isObject(of: unknown): of is Record<string, unknown> {
  return typeof of === 'object' && of !== null
}

function numberOf({ partition, offset }: Place): number {
  return partition * 2 ** 40 + offset
}
