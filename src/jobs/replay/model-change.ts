import type { RecordParts } from '../../connect/port.ts'
import type { OutputCause } from '../../kernel/ids.ts'
import { jsonOrNull } from '../../kernel/json.ts'
import { grouped, plural, table } from '../../kernel/wording.ts'
import { Parity } from '../../scoring/parity.ts'
import { describeParity, signed } from '../compare/parity-text.ts'
import { causeName, isDeadLetter, type Written, type WrittenOutputs } from './written-outputs.ts'

const MOST_SHOWN = 20
/** The least score of a positive event. A truth value counts as 0 or 1. */
const THRESHOLD = 0.5

interface Change {
  readonly cause: OutputCause
  readonly key: string
  readonly then: number
  readonly now: number
}

/** By path. */
type Numbers = Readonly<Record<string, number>>

/** Changes that another model would make in the outputs' numbers and truth values, by path. */
export class ModelChange {
  readonly #outputs: WrittenOutputs
  readonly #then = new Map<Written, Numbers>()
  /** By path. The worst come first. */
  readonly #numbers = new Map<string, { parity: Parity; worst: Change[] }>()
  readonly #counts = { compared: 0, now: 0 }

  constructor(outputs: WrittenOutputs) {
    this.#outputs = outputs
  }

  wrote(cause: OutputCause, written: Written, record: RecordParts): void {
    if (!written.isAgain && !isDeadLetter(cause)) this.#then.set(written, numbersOf(cause, record))
  }

  made(cause: OutputCause, record: RecordParts, written: Written | null): void {
    if (isDeadLetter(cause)) return
    if (written === null) this.#counts.now++
    else this.#counts.compared++
    const before = written && this.#then.get(written)
    for (const [path, now] of Object.entries(before ? numbersOf(cause, record) : {})) {
      const then = before?.[path] ?? Number.NaN
      const entry = this.#numbers.get(path)
      const { parity, worst } = entry ?? { parity: new Parity(THRESHOLD), worst: [] }
      this.#numbers.set(path, { parity, worst })
      parity.add([then], [now], 1)
      if (then !== now) insert(worst, { cause, key: String(record.key), then, now })
    }
  }

  describe(): string {
    const { compared, now } = this.#counts
    const all = [...this.#outputs.all()].filter(
      ([cause, { isMade }]) => !isDeadLetter(cause) && !isMade,
    )
    const alone = `${grouped(now)} only now, ${grouped(all.length)} only then`
    const changed = [...this.#numbers].filter(([, { worst }]) => worst.length > 0)
    const numbers = changed.flatMap(([path, { parity, worst }]) => [
      ...['', `${path}, ${plural(parity.result.pairs, 'output')}`],
      ...describeParity(parity.result),
      ...['', ...table([['  worst', 'key', 'then', 'now', 'difference'], ...worst.map(rowOf)])],
    ])
    return [`${plural(compared, 'output')} compared, ${alone}`, ...numbers, ''].join('\n')
  }
}

function rowOf({ cause, key, then, now }: Change): string[] {
  return [`  ${causeName(cause)}`, key, String(then), String(now), signed(now - then)]
}

function insert(worst: Change[], change: Change): void {
  const size = ({ then, now }: Change) => Math.abs(now - then)
  const at = worst.findIndex((other) => size(other) < size(change))
  worst.splice(at < 0 ? worst.length : at, 0, change)
  worst.length = Math.min(worst.length, MOST_SHOWN)
}

/** The numbers and truth values in a value, by path. */
function numbersOf({ sink }: OutputCause, { value }: RecordParts): Numbers {
  const numbers: Record<string, number> = {}
  const search = (json: unknown, path: string) => {
    if (typeof json === 'number' || typeof json === 'boolean') numbers[path] = Number(json)
    if (typeof json !== 'object' || json === null) return
    for (const [name, inner] of Object.entries(json)) search(inner, `${path}.${name}`)
  }
  search(jsonOrNull(String(value)), sink)
  return numbers
}
