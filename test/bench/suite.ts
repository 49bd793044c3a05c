import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StopRequest } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { Answers } from './answers.ts'
import type { Measurement, Row } from './measurements.ts'
import { tell } from './program.ts'
import { withBrokers } from './stage.ts'

/** Runs measurements one after the other and continues after a failure. */
export class Suite {
  readonly rows: Row[] = []
  failures = 0
  readonly #chosen: readonly Measurement[]
  readonly #ending: StopRequest
  readonly #answers: Answers
  /** For outputs while they are checked. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'))
  #begun = 0

  constructor(chosen: readonly Measurement[], events: number, ending: StopRequest) {
    this.#chosen = chosen
    this.#answers = new Answers(events)
    this.#ending = ending
  }

  async measure(brokers: readonly string[] | null): Promise<void> {
    const [here, onKafka] = [false, true].map((is) =>
      this.#chosen.filter(({ isOnKafka }) => isOnKafka === is),
    ) as [Measurement[], Measurement[]]
    try {
      for (const one of here) await this.#measure(one, [])
      if (onKafka.length === 0 || this.#ending.signal.aborted) return
      await withBrokers(brokers, async (all) => {
        for (const one of onKafka) await this.#measure(one, ['--brokers', all.join(',')])
      })
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  async #measure(one: Measurement, flags: readonly string[]): Promise<void> {
    if (this.#ending.signal.aborted) return
    const startMs = performance.now()
    process.stderr.write(`[${++this.#begun}/${this.#chosen.length}] ${one.title} … `)
    try {
      this.rows.push(...one.rowsOf(await this.#told(one, flags)))
      say(`${((performance.now() - startMs) / 1_000).toFixed(0)} s`)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      this.failures++
      say(`failed\n${(error as Error).message}`)
    }
  }

  async #told({ program, scoredBy }: Measurement, flags: readonly string[]): Promise<unknown> {
    const args = [...program, ...flags]
    if (scoredBy === null) return tell(args, this.#ending)
    const kept = join(this.#folder, 'outputs.ndjson')
    const told = await tell([...args, '--keep', kept], this.#ending)
    await this.#answers.check(scoredBy, kept)
    return told
  }
}
