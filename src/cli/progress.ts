import { count, plural, say } from './print.ts'

const BAR_WIDTH = 30
const REDRAW_MS = 100
const LINE_EVERY_MS = 10_000

/** How far a command is. */
export interface Position {
  readonly records: number
  /** From 0 to 1. */
  readonly share: number
}

/** Shows how far a command is: a bar on a terminal, else a line every 10 s. */
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

  /** Ends it with a line of how much it was. */
  end(): void {
    clearInterval(this.#timer)
    if (this.#isTerminal) process.stderr.write('\r\x1b[K')
    say(this.#amount())
  }

  #draw(): void {
    const full = Math.round(this.#position().share * BAR_WIDTH)
    const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`
    process.stderr.write(`\r\x1b[K${bar} ${this.#text()}`)
  }

  #text(): string {
    return `${Math.round(this.#position().share * 100)} %  ${this.#amount()}`
  }

  #amount(): string {
    const { records } = this.#position()
    const seconds = (performance.now() - this.#startMs) / 1_000
    const rate = count(Math.round(records / Math.max(seconds, 0.001)))
    return `${plural(records, 'record')}  ${rate}/s  ${seconds.toFixed(1)} s`
  }
}
