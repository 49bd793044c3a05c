import { closeSync, openSync, writeSync } from 'node:fs'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { NewRecord } from '../records/port.ts'
import { reasonOf } from '../runtime/dead-letter.ts'
import { bytesAsJson } from './bytes.ts'
import { colors, say } from './print.ts'

/** Dead letters that are shown; the rest is counted. */
const SHOWN = 10

/** Shows dead letters with the line each came from, and keeps all of them in a file when there is one. */
export class DeadLetterReport {
  readonly #lineOf: (partition: number, offset: number) => number | undefined
  readonly #file: number | null
  #count = 0

  /**
   * @param path NDJSON file to write, made anew; `null`: none
   * @throws TidemarkError `CONFIG_INVALID` when the file cannot be written
   */
  constructor(
    lineOf: (partition: number, offset: number) => number | undefined,
    path: string | null,
  ) {
    this.#lineOf = lineOf
    this.#file = path === null ? null : openFile(path)
  }

  add(records: readonly NewRecord[]): void {
    for (const record of records) {
      const { at, code, step, message } = reasonOf(record.headers)
      const line = this.#lineOf(at.partition, at.offset)
      this.#count++
      if (this.#count <= SHOWN) {
        say(`${colors.red('✗')} line ${line}  ${colors.bold(code)}  ${message}`)
      }
      const { key, value } = record
      const kept = { line, code, step, message, key: bytesAsJson(key), value: bytesAsJson(value) }
      if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(kept)}\n`)
    }
  }

  close(): void {
    const hidden = this.#count - SHOWN
    if (hidden > 0) {
      const hint = this.#file === null ? '; --dead-letters FILE keeps them all' : ''
      say(`  and ${hidden} more${hint}`)
    }
    if (this.#file !== null) closeSync(this.#file)
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    const message = `cannot write dead letters: ${messageOf(error)}`
    throw new TidemarkError('CONFIG_INVALID', message, { where: path })
  }
}
