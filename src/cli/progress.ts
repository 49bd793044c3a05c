import { count, EMPTY_LINE, plural, say, sayOnOwnLine } from './print.ts'

const BAR_WIDTH = 30
const REDRAW_MS = 100
const LINE_EVERY_MS = 10_000

/** The progress of a command. */
export interface Position {
  readonly records: number
  /** Fraction done, 0 to 1; `null`: the total is unknown. */
  readonly share: number | null
}

/** Shows the progress of a command: a bar on a terminal, otherwise a line every 10 s. */
export class Progress {
  readonly #position: () => Position
  readonly #startMs = performance.now()
  readonly #isTerminal = process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  constructor(position: () => Position) {
    this.#position = position
    const show = () => (this.#isTerminal ? this.#draw() : say(this.#text()))
    this.#timer = setInterval(show, this.#isTerminal ? REDRAW_MS : LINE_EVERY_MS)
  }

  /** Prints a last line with the number of records, and the percentage if it is below 100 %. */
  end(): void {
    clearInterval(this.#timer)
    const { share } = this.#position()
    sayOnOwnLine(share === 1 ? this.#amount() : this.#text())
  }

  #draw(): void {
    const { share } = this.#position()
    process.stderr.write(`${EMPTY_LINE}${share === null ? '' : bar(share)}${this.#text()}`)
  }

  #text(): string {
    const { share } = this.#position()
    // Rounded down, so that it shows 100 % only at the end.
    return `${share === null ? '' : `${Math.floor(share * 100)} %  `}${this.#amount()}`
  }

  #amount(): string {
    const { records } = this.#position()
    const seconds = (performance.now() - this.#startMs) / 1_000
    const rate = count(Math.round(records / Math.max(seconds, 0.001)))
    return `${plural(records, 'record')}  ${rate}/s  ${seconds.toFixed(1)} s`
  }
}

function bar(share: number): string {
  const full = Math.floor(share * BAR_WIDTH)
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} `
}
