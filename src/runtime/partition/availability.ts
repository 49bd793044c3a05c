import type { Unreadable } from '../../connect/port.ts'
import { partitionName } from '../../kernel/ids.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { RuntimeEvent } from '../events.ts'

// Whether a member of a group can do all of its work at the moment, and if not, why. Several things
// may be in the way at once, and only the events about one end it.

/** Reasons by what they are about: `commit`, `model payments-3 card-fraud score`. */
type Reasons = Map<string, string>

/** The most partitions that are named in a reason; the others are counted. */
const NAMED = 5

export class Availability {
  readonly #reasons: Reasons = new Map()
  /** Reasons why work is slow, or some of it is spoilt. */
  readonly #hindrances: Reasons = new Map()
  /**
   * How long the broker has throttled writing, because the next commit waits for it: since the last
   * commit, and during it.
   */
  #throttledMs = { before: 0, since: 0 }

  /** Everything that slows its work, or spoils some of it; `null`: nothing does. */
  get hindrance(): string | null {
    return joined(this.#hindrances)
  }

  /** Everything that prevents its work; `null`: nothing does. */
  get reason(): string | null {
    return joined(this.#reasons)
  }

  follow(event: RuntimeEvent): void {
    if (event.type === 'throttled') {
      if (event.of === 'writing') this.#throttledMs.since += event.durationMs
    } else if (event.type === 'committed') {
      this.#throttledMs = { before: this.#throttledMs.since, since: 0 }
    } else if (event.type === 'commit-slow') this.#slow(event.durationMs)
    else if (event.type === 'commit-failed') put(this.#reasons, 'commit', event.reason)
    else if (event.type === 'commit-over') put(this.#reasons, 'commit', null)
    else if (event.type === 'writing-slow') this.#slowed(event.bytesPerSecond)
    else if (event.type === 'unreadable') put(this.#reasons, 'input', inWords(event.partitions))
    else this.#followPartition(event)
  }

  #followPartition(event: RuntimeEvent): void {
    if (!('partition' in event)) return
    const name = partitionName(event.partition)
    if (event.type === 'breaker') {
      const reason = `${Math.floor(event.deadPercent)} % of the last records of ${name} are dead letters: it continues at 100 a second`
      put(this.#reasons, `breaker ${name}`, event.isOpen ? reason : null)
    } else if (event.type === 'model-failing') {
      const { topology, step, reason } = event
      put(this.#reasons, `model ${name} ${topology} ${step}`, reason && `${name} waits: ${reason}`)
    } else if (event.type === 'schema-missing') {
      const { topology, reason } = event
      put(this.#reasons, `schema ${name} ${topology}`, reason && `${name} waits: ${reason}`)
    } else if (event.type === 'schema-unknown') {
      const reason = event.reason && `${name} sets records aside: ${event.reason}`
      put(this.#hindrances, `unknown ${name} ${event.topology}`, reason)
    } else if (event.type === 'lost') {
      for (const all of [this.#reasons, this.#hindrances])
        for (const about of all.keys()) if (about.split(' ')[1] === name) all.delete(about)
    }
  }

  #slow(durationMs: number): void {
    const ms = this.#throttledMs.before + this.#throttledMs.since
    const throttled = ms === 0 ? '' : `, throttled by the broker ${formatDuration(ms)}`
    if (this.#reasons.has('commit')) return
    const reason = `a commit has been on its way for ${formatDuration(durationMs)}${throttled}`
    put(this.#reasons, 'commit', reason)
  }

  #slowed(bytesPerSecond: number | null): void {
    const { before, since } = this.#throttledMs
    const why = before + since === 0 ? '' : ', because they throttle this client'
    const kilobytes = Math.ceil((bytesPerSecond ?? 0) / 1_000)
    const reason = `writing is slow: about ${kilobytes} KB a second get through to the brokers${why}`
    put(this.#hindrances, 'writing', bytesPerSecond === null ? null : reason)
  }
}

/** @param text `null`: it is over */
function put(into: Reasons, about: string, text: string | null): void {
  if (text === null) into.delete(about)
  else into.set(about, text)
}

function joined(reasons: Reasons): string | null {
  return reasons.size === 0 ? null : [...reasons.values()].join('; ')
}

/** `null`: every partition can be read. */
function inWords(partitions: readonly Unreadable[]): string | null {
  if (partitions.length === 0) return null
  return [...new Set(partitions.map(({ reason }) => reason))]
    .map((reason) => {
      const alike = partitions.filter((partition) => partition.reason === reason)
      const names = alike.slice(0, NAMED).map(partitionName).join(', ')
      const others = alike.length > NAMED ? ` and ${alike.length - NAMED} more` : ''
      return `${names}${others} cannot be read: ${reason}`
    })
    .join('; ')
}
