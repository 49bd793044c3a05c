import { EMPTY_LINE, grouped, plural, say, sayOnOwnLine, write } from './print.ts'

// Lines on stderr that a terminal redraws.

const BAR_WIDTH = 30
const BAR_EVERY_MS = 100
const AMOUNT_EVERY_MS = 10_000

export interface CommandProgress {
  readonly records: number
  /** Fraction done, 0 to 1; `null`: the total is unknown. */
  readonly share: number | null
}

/** Shows the progress of a command: a bar on a terminal, otherwise a line every 10 s. */
export class Progress {
  readonly #now: () => CommandProgress
  readonly #startMs = performance.now()
  readonly #isTerminal = process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  constructor(now: () => CommandProgress) {
    this.#now = now
    const show = () => (this.#isTerminal ? this.#draw() : say(this.#text()))
    this.#timer = setInterval(show, this.#isTerminal ? BAR_EVERY_MS : AMOUNT_EVERY_MS)
  }

  /** Prints a last line with the number of records, and the percentage if it is below 100 %. */
  end(): void {
    clearInterval(this.#timer)
    const { share } = this.#now()
    sayOnOwnLine(share === 1 ? this.#amount() : this.#text())
  }

  #draw(): void {
    const { share } = this.#now()
    const full = Math.floor((share ?? 0) * BAR_WIDTH)
    const bar = share === null ? '' : `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} `
    process.stderr.write(`${EMPTY_LINE}${bar}${this.#text()}`)
  }

  #text(): string {
    const { share } = this.#now()
    // Rounded down, so that it shows 100 % only at the end.
    return `${share === null ? '' : `${Math.floor(share * 100)} %  `}${this.#amount()}`
  }

  #amount(): string {
    const { records } = this.#now()
    const seconds = (performance.now() - this.#startMs) / 1_000
    const rate = grouped(Math.round(records / Math.max(seconds, 0.001)))
    return `${plural(records, 'record')}  ${rate}/s  ${seconds.toFixed(1)} s`
  }
}

const STATUS_EVERY_MS = 200
const STATUS_LINE_EVERY_MS = 5_000
/** Columns, if the terminal does not say. */
const COLUMNS = 80
const LINE_START = '\r'
const ERASE_REST = '\x1b[K'

/** Prints lines above a status line, which a terminal redraws; elsewhere it comes every 5 s. */
export class Screen {
  readonly #status: (columns: number) => string
  readonly #isLive = process.stdout.isTTY && process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  /** @param status returns the status line, in at most `columns` columns */
  constructor(status: (columns: number) => string) {
    this.#status = status
    const show = () => (this.#isLive ? this.#draw() : say(status(Number.POSITIVE_INFINITY)))
    this.#timer = setInterval(show, this.#isLive ? STATUS_EVERY_MS : STATUS_LINE_EVERY_MS)
  }

  print(line: string): void {
    this.#above(() => void write(`${line}\n`))
  }

  note(line: string): void {
    this.#above(() => say(line))
  }

  end(): void {
    clearInterval(this.#timer)
    this.#erase()
  }

  #above(put: () => void): void {
    this.#erase()
    put()
    if (this.#isLive) this.#draw()
  }

  #erase(): void {
    if (this.#isLive) process.stderr.write(EMPTY_LINE)
  }

  #draw(): void {
    const status = this.#status(process.stderr.columns || COLUMNS)
    process.stderr.write(`${LINE_START}${status}${ERASE_REST}`)
  }
}
