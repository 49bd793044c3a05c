import { partitionName } from '../../kernel/ids.ts'
import { formatDuration } from '../../kernel/time.ts'
import type { TopicPartition, Unreadable } from '../../records/port.ts'
import type { RuntimeEvent } from '../events.ts'

// Whether a member of a group can do all of its work at the moment, and if not, why. Several things
// may be in the way at once, and only the events about one end it.

type Obstacle = 'commit' | 'input' | `breaker ${string}` | `model ${string}` | `schema ${string}`

/** Something that slows work, or spoils some of it. */
type Hindrance = 'writing' | `unknown ${string}`

/** The most partitions that are named in a reason; the others are counted. */
const NAMED = 5

export class Availability {
  readonly #reasons = new Map<Obstacle, string>()
  readonly #hindrances = new Map<Hindrance, string>()
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
    if (event.type === 'throttled') this.#throttled(event)
    else if (event.type === 'commit-slow') this.#slow(event.durationMs)
    else if (event.type === 'commit-failed') this.#set('commit', event.reason)
    else if (event.type === 'commit-over') this.#set('commit', null)
    else if (event.type === 'committed') this.#committed()
    else if (event.type === 'writing-slow') this.#slowed(event.bytesPerSecond)
    else if (event.type === 'unreadable') this.#set('input', inWords(event.partitions))
    else if (event.type === 'breaker') this.#broke(event)
    else if (event.type === 'model-failing') this.#failed(event)
    else if (event.type === 'schema-missing') this.#waits(event)
    else if (event.type === 'schema-unknown') this.#setsAside(event)
    else if (event.type === 'lost') this.#lost(event.partition)
  }

  #slow(durationMs: number): void {
    const ms = this.#throttledMs.before + this.#throttledMs.since
    const throttled = ms === 0 ? '' : `, throttled by the broker ${formatDuration(ms)}`
    if (this.#reasons.has('commit')) return
    this.#set(
      'commit',
      `a commit has been on its way for ${formatDuration(durationMs)}${throttled}`,
    )
  }

  #throttled({ of, durationMs }: Extract<RuntimeEvent, { type: 'throttled' }>): void {
    if (of === 'writing') this.#throttledMs.since += durationMs
  }

  #slowed(bytesPerSecond: number | null): void {
    const { before, since } = this.#throttledMs
    const why = before + since === 0 ? '' : ', since they throttle this client'
    const kilobytes = Math.ceil((bytesPerSecond ?? 0) / 1_000)
    const what = `writing is slow: about ${kilobytes} KB a second get through to the brokers${why}`
    put(this.#hindrances, 'writing', bytesPerSecond === null ? null : what)
  }

  #committed(): void {
    this.#throttledMs = { before: this.#throttledMs.since, since: 0 }
  }

  #broke({ partition, isOpen, deadPercent }: Extract<RuntimeEvent, { type: 'breaker' }>): void {
    const [name, percent] = [partitionName(partition), Math.floor(deadPercent)]
    const what = `${percent} % of the last records of ${name} are dead letters: it continues at 100 a second`
    this.#set(breakerOf(partition), isOpen ? what : null)
  }

  #failed({ partition, reason, ...at }: Extract<RuntimeEvent, { type: 'model-failing' }>): void {
    this.#set(`${modelsOf(partition)}${at.topology} ${at.step}`, waiting(partition, reason))
  }

  #waits({ partition, topology, reason }: Extract<RuntimeEvent, { type: 'schema-missing' }>): void {
    this.#set(`${schemasOf(partition)}${topology}`, waiting(partition, reason))
  }

  #setsAside(event: Extract<RuntimeEvent, { type: 'schema-unknown' }>): void {
    const { partition, topology, reason } = event
    const what = `${partitionName(partition)} sets records aside: ${reason}`
    put(this.#hindrances, `${unknownOf(partition)}${topology}`, reason === null ? null : what)
  }

  #lost(partition: TopicPartition): void {
    this.#set(breakerOf(partition), null)
    const gone = [modelsOf(partition), schemasOf(partition), unknownOf(partition)]
    for (const all of [this.#reasons, this.#hindrances] as Map<string, string>[]) {
      for (const of of all.keys()) if (gone.some((start) => of.startsWith(start))) all.delete(of)
    }
  }

  #set(obstacle: Obstacle, reason: string | null): void {
    put(this.#reasons, obstacle, reason)
  }
}

/** @param text `null`: it is over */
function put<K>(into: Map<K, string>, key: K, text: string | null): void {
  if (text === null) into.delete(key)
  else into.set(key, text)
}

function joined(of: ReadonlyMap<unknown, string>): string | null {
  return of.size === 0 ? null : [...of.values()].join('; ')
}

function breakerOf(partition: TopicPartition): Obstacle {
  return `breaker ${partitionName(partition)}`
}

function modelsOf(partition: TopicPartition) {
  return `model ${partitionName(partition)} ` as const
}

function schemasOf(partition: TopicPartition) {
  return `schema ${partitionName(partition)} ` as const
}

function unknownOf(partition: TopicPartition) {
  return `unknown ${partitionName(partition)} ` as const
}

function waiting(partition: TopicPartition, reason: string | null): string | null {
  return reason === null ? null : `${partitionName(partition)} waits: ${reason}`
}

/** `null`: every partition can be read. */
function inWords(partitions: readonly Unreadable[]): string | null {
  if (partitions.length === 0) return null
  return [...new Set(partitions.map(({ reason }) => reason))]
    .map((reason) => {
      const of = partitions.filter((partition) => partition.reason === reason)
      const names = of.slice(0, NAMED).map(partitionName).join(', ')
      const others = of.length > NAMED ? ` and ${of.length - NAMED} more` : ''
      return `${names}${others} cannot be read: ${reason}`
    })
    .join('; ')
}
