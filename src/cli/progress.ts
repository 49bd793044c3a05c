import { EMPTY_LINE, grouped, plural, say, write } from './print.ts'

const REDRAWN_EVERY_MS = 100
const LINE_EVERY_MS = 10_000
const COLUMNS = 80

/** A status on stderr, with lines above it: a terminal redraws it, elsewhere it comes every 10 s. */
export class Screen {
  readonly #status: (columns: number) => string
  readonly #isLive = process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  /** @param status in at most `columns` columns; Infinity: it becomes a line of its own */
  constructor(status: (columns: number) => string) {
    this.#status = status
    const show = () => (this.#isLive ? this.#draw() : say(status(Number.POSITIVE_INFINITY)))
    this.#timer = setInterval(show, this.#isLive ? REDRAWN_EVERY_MS : LINE_EVERY_MS)
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
    process.stderr.write(`${EMPTY_LINE}${status}`)
  }
}

/** Shows how many records a command has read or written so far, and how fast. */
export class Progress {
  readonly #records: () => number
  readonly #startMs = performance.now()
  readonly #screen = new Screen(() => this.#amount())

  constructor(records: () => number) {
    this.#records = records
  }

  end(): void {
    this.#screen.end()
    say(this.#amount())
  }

  #amount(): string {
    const records = this.#records()
    const seconds = (performance.now() - this.#startMs) / 1_000
    const rate = grouped(Math.round(records / Math.max(seconds, 0.001)))
    return `${plural(records, 'record')}  ${rate}/s  ${seconds.toFixed(1)} s`
  }
}
