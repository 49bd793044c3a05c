import type { JobReport } from '../jobs/report.ts'
import { grouped, plural } from '../kernel/wording.ts'
import { EMPTY_LINE, noteLine, say, write } from './print.ts'

const REDRAWN_EVERY_MS = 100
const LINE_EVERY_MS = 10_000

/** A status on stderr, with lines above it: a terminal redraws it, elsewhere it comes every 10 s. */
export class Screen {
  readonly #status: () => string
  readonly #isLive = process.stderr.isTTY
  readonly #timer: NodeJS.Timeout

  constructor(status: () => string) {
    this.#status = status
    const show = () => (this.#isLive ? this.#draw() : say(status()))
    this.#timer = setInterval(show, this.#isLive ? REDRAWN_EVERY_MS : LINE_EVERY_MS)
  }

  print(line: string): void {
    this.#erase()
    void write(`${line}\n`)
    if (this.#isLive) this.#draw()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#erase()
  }

  #erase(): void {
    if (this.#isLive) process.stderr.write(EMPTY_LINE)
  }

  #draw(): void {
    process.stderr.write(`${EMPTY_LINE}${this.#status()}`)
  }
}

/**
 * Shows how many records a command has read or written so far, and how fast.
 * @param share of all records, 0 to 1, if it is known: then also the time that is left
 * @returns a function that ends this with a last line
 */
export function showProgress(records: () => number, share?: () => number): () => void {
  const startMs = performance.now()
  const amount = () => {
    const seconds = (performance.now() - startMs) / 1_000
    const rate = grouped(Math.round(records() / Math.max(seconds, 0.001)))
    return `${plural(records(), 'record')}  ${rate}/s  ${seconds.toFixed(1)} s`
  }
  const left = () => {
    const done = share?.() ?? 0
    if (done === 0) return ''
    const seconds = ((performance.now() - startMs) / 1_000) * (1 / done - 1)
    return `  ${Math.floor(done * 100)} %, ${Math.ceil(seconds)} s left`
  }
  const screen = new Screen(() => amount() + left())
  return () => {
    screen.end()
    say(amount())
  }
}

/** What a job says, on stderr. */
export const TERMINAL: JobReport = {
  say,
  note: (line) => say(noteLine(line)),
  progress: showProgress,
}
