import { closeSync, openSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { NewRecord } from '../records/port.ts'
import { reasonOf } from '../runtime/dead-letter.ts'
import type { SetAside } from '../runtime/task-surroundings.ts'
import { bytesAsJson } from './bytes.ts'
import { colors, say } from './print.ts'

/** The most dead letters that are shown; the rest is only counted. */
const SHOWN = 10
/** Parts of stack frames that are not the author's. */
const INNER = [
  'node:',
  '(<anonymous>)',
  new URL('..', import.meta.url).href,
  fileURLToPath(new URL('..', import.meta.url)),
]

/**
 * Prints dead letters, with the input line of each and what an author's function threw. Writes all
 * of them to a file if one is given.
 */
export class DeadLetterReport {
  readonly #lineOf: (partition: number, offset: number) => number | undefined
  readonly #file: number | null
  /**
   * The errors of records whose dead letters have not been added yet, by partition and offset, in
   * order.
   */
  readonly #errors = new Map<string, TidemarkError[]>()
  #count = 0

  /**
   * @param path NDJSON file to write; an existing one is replaced; `null`: none
   * @throws TidemarkError `CONFIG_INVALID`: the file cannot be written
   */
  constructor(
    lineOf: (partition: number, offset: number) => number | undefined,
    path: string | null,
  ) {
    this.#lineOf = lineOf
    this.#file = path === null ? null : openFile(path)
  }

  /** Notes the error of a record whose dead letter will be {@link add}ed later. */
  readonly expect = ({ partition, offset, error }: SetAside): void => {
    const place = `${partition}@${offset}`
    this.#errors.set(place, [...(this.#errors.get(place) ?? []), error])
  }

  add(records: readonly NewRecord[]): void {
    for (const { headers, key, value } of records) {
      const { at, code, step, message } = reasonOf(headers)
      const line = this.#lineOf(at.partition, at.offset)
      const thrown = this.#thrownAt(at.partition, at.offset)
      this.#count++
      if (this.#count <= SHOWN) {
        say(`${colors.red('✗')} line ${line}  ${colors.bold(code)}  ${message}`)
        if (thrown !== null) say(colors.dim(thrown.replace(/^/gm, '  ')))
      }
      if (this.#file === null) continue
      const why = { line, code, step, message, ...(thrown === null ? {} : { thrown }) }
      const kept = { ...why, key: bytesAsJson(key), value: bytesAsJson(value) }
      writeSync(this.#file, `${JSON.stringify(kept)}\n`)
    }
  }

  /** What an author's function threw for a record; `null`: nothing. */
  #thrownAt(partition: number, offset: number): string | null {
    const place = `${partition}@${offset}`
    const [error, ...others] = this.#errors.get(place) ?? []
    if (others.length === 0) this.#errors.delete(place)
    else this.#errors.set(place, others)
    return error?.cause === undefined ? null : describeThrown(error.cause)
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

/** Message and stack, without the frames of Node and of this package. */
function describeThrown(thrown: unknown): string {
  const lines = inspect(thrown).split('\n')
  return lines
    .filter((line) => !/^ +at /.test(line) || !INNER.some((path) => line.includes(path)))
    .join('\n')
}

function openFile(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    const message = `cannot write dead letters: ${messageOf(error)}`
    throw new TidemarkError('CONFIG_INVALID', message, { where: path })
  }
}
