import { write } from '../output.ts'
import { say } from '../print.ts'

const REDRAW_MS = 200
const LINE_EVERY_MS = 5_000
/** Columns, if the terminal does not say. */
const COLUMNS = 80
const LINE_START = '\r'
const ERASE_REST = '\x1b[K'

/**
 * Prints lines that scroll above a status line, which is redrawn. Without a terminal, prints plain
 * lines, with a status line every 5 s.
 */
export class Screen {
  readonly #status: (columns: number) => string
  readonly #isLive = process.stdout.isTTY && process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  /** @param status returns the status line, in at most `columns` columns */
  constructor(status: (columns: number) => string) {
    this.#status = status
    const show = () => (this.#isLive ? this.#draw() : say(status(Number.POSITIVE_INFINITY)))
    this.#timer = setInterval(show, this.#isLive ? REDRAW_MS : LINE_EVERY_MS)
  }

  /** Writes a line of data, to stdout. */
  print(line: string): void {
    this.#above(() => void write(`${line}\n`))
  }

  /** Writes a line for people, to stderr. */
  note(line: string): void {
    this.#above(() => say(line))
  }

  /** Removes the status line. */
  end(): void {
    clearInterval(this.#timer)
    if (this.#isLive) process.stderr.write(`${LINE_START}${ERASE_REST}`)
  }

  #above(put: () => void): void {
    if (this.#isLive) process.stderr.write(`${LINE_START}${ERASE_REST}`)
    put()
    if (this.#isLive) this.#draw()
  }

  #draw(): void {
    const status = this.#status(process.stderr.columns || COLUMNS)
    process.stderr.write(`${LINE_START}${status}${ERASE_REST}`)
  }
}
