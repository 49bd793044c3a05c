import { LRUCache } from 'lru-cache'
import { CircuitBreaker } from '../kernel/circuit-breaker.ts'
import type { Clock } from '../kernel/clock.ts'
import { messageOf } from '../kernel/errors.ts'
import type { StoreDefinition } from '../topology/definition.ts'
import type { StoreRows } from '../topology/lookup.ts'
import { checkedBy, nameOf } from '../topology/schema.ts'
import { type Computed, INVALID, type StoredRow, type StoreSource, UNREAD } from './store-source.ts'

/** Longest time for which a store that fails is not asked, ms. */
const LONGEST_MS = 2_000
/** After this time, or the deadline, a key without an answer may be asked for again, ms. */
const GIVEN_UP_MS = 1_000
/** Parts of the deadline. */
const PARTS = 4
/** Memory of a row besides its JSON, bytes. */
const ENTRY_BYTES = 300

/** Why a store did not give a row: too late; not at all; `onMiss` has failed. */
export type Degradation = 'deadline' | 'unavailable' | 'failed'

interface Answer {
  /** `undefined`: there is none. */
  readonly row: unknown
  /** Did `onMiss` make it? */
  readonly isComputed: boolean
  /** The time of the row, ms since the epoch; NaN: it has none. */
  readonly timeMs: number
  readonly degraded: Degradation | null
}

interface Entry extends Answer {
  readonly askedMs: number
}

/** A request for rows. */
interface Request {
  readonly answers: Map<string, Answer>
  readonly done: Promise<void>
}

/** What became of look-ups, one for each event. */
export interface StoreCounts {
  found: number
  /** The row was later than the event. */
  ahead: number
  absent: number
  /** The row was older than `maxAge`. */
  expired: number
  degraded: number
}

/** What became of keys, each once for a batch of events. */
export interface KeyCounts {
  fresh: number
  stale: number
  /** The store was asked, or could not be. */
  missed: number
}

/** What a request has come to. */
export interface StoreReport {
  readonly durationMs: number
  readonly keys: number
  /** Values that are no row. */
  readonly invalid: number
  readonly computed: number
  /** `null`: it succeeded. */
  readonly error: string | null
}

interface StoreOptions {
  readonly source: StoreSource
  readonly clock: Pick<Clock, 'after' | 'elapsedMs' | 'sleep'>
  /** Memory for rows, bytes. */
  readonly maxBytes: number
  /** Called when a request is over, and when rows could not be written back. */
  report(report: StoreReport): void
  /** Called when the store is not asked for a while, with the reason, and when it answers again. */
  failing(reason: string | null): void
}

/** The rows of a store that a worker has asked for. Its partitions share them. */
export class OpenStore {
  readonly definition: StoreDefinition
  readonly #o: StoreOptions
  /** `null`: nothing is kept. */
  readonly #cache: LRUCache<string, Entry> | null
  readonly #requests = new Map<string, Request>()
  readonly #breaker: CircuitBreaker
  #isFailing = false
  #counts = noCounts()

  constructor(definition: StoreDefinition, options: StoreOptions) {
    const { clock, maxBytes } = options
    const { freshMs, staleMs, maxEntries: max } = definition
    this.definition = definition
    this.#o = options
    const size = { max, maxSize: maxBytes, sizeCalculation: bytesOf }
    this.#cache = freshMs + staleMs > 0 ? new LRUCache(size) : null
    this.#breaker = new CircuitBreaker({
      longestMs: LONGEST_MS,
      elapsedMs: () => clock.elapsedMs(),
    })
  }

  /** Rows for one step of a task. */
  rows(): StoreRows {
    return new FetchedRows(this)
  }

  /** Bytes and rows in memory. */
  get size(): { readonly rows: number; readonly bytes: number } {
    return { rows: this.#cache?.size ?? 0, bytes: this.#cache?.calculatedSize ?? 0 }
  }

  /** Counts after the last call. */
  takeCounts(): StoreCounts & KeyCounts {
    const counts = this.#counts
    this.#counts = noCounts()
    return counts
  }

  /**
   * Puts the answers about keys into a map. @param newestMs by key, the time of its newest event
   * @returns `null`: all are there already
   */
  fetch(newestMs: ReadonlyMap<string, number>, into: Map<string, Answer>): Promise<void> | null {
    const nowMs = this.#o.clock.elapsedMs()
    const [missed, stale] = [new Map<string, number>(), new Map<string, number>()]
    for (const [key, timeMs] of newestMs) {
      const entry = this.#cache?.get(key)
      const state = entry === undefined ? 'missed' : this.#stateOf(entry, { nowMs, timeMs })
      this.#counts[state]++
      if (state === 'missed') missed.set(key, timeMs)
      else into.set(key, entry as Entry)
      if (state === 'stale') stale.set(key, timeMs)
    }
    if (stale.size > 0) this.#request(stale)
    if (missed.size === 0) return null
    const requests = this.#request(missed)
    if (this.#breaker.isOpen && !requests.isAsked) {
      for (const key of missed.keys()) into.set(key, UNAVAILABLE)
      return null
    }
    return this.#receive(missed, requests.all, into)
  }

  /** The row of a look-up, or its substitute. */
  rowOf({ row, timeMs, degraded }: Answer, eventMs: number): unknown {
    const { maxAgeMs, fallback } = this.definition
    const isExpired = eventMs - timeMs > maxAgeMs
    if (degraded !== null) this.#counts.degraded++
    else if (row === undefined) this.#counts.absent++
    else if (isExpired) this.#counts.expired++
    else {
      if (timeMs > eventMs) this.#counts.ahead++
      else this.#counts.found++
      return row
    }
    return fallback ?? undefined
  }

  #stateOf(
    entry: Entry,
    { nowMs, timeMs }: { readonly nowMs: number; readonly timeMs: number },
  ): keyof KeyCounts {
    const { freshMs, staleMs, onMiss } = this.definition
    const ageMs = nowMs - entry.askedMs
    if (onMiss !== null && !entry.isComputed && this.#lacks(entry, timeMs)) return 'missed'
    if (ageMs < freshMs) return 'fresh'
    return entry.row !== undefined && ageMs < freshMs + staleMs ? 'stale' : 'missed'
  }

  /** Is there no row that an event of this time can use? */
  #lacks({ row, timeMs }: Answer, eventMs: number): boolean {
    return row === undefined || eventMs - timeMs > this.definition.maxAgeMs
  }

  /** Asks for keys that are not being asked for. `isAsked`: some are now. */
  #request(newestMs: ReadonlyMap<string, number>) {
    const all = new Set<Request>()
    const fresh = new Map<string, number>()
    for (const [key, timeMs] of newestMs) {
      const request = this.#requests.get(key)
      if (request === undefined) fresh.set(key, timeMs)
      else all.add(request)
    }
    const isAsked = fresh.size > 0 && this.#breaker.permits()
    if (isAsked) {
      const answers = new Map<string, Answer>()
      const request = { answers, done: this.#ask(fresh, answers) }
      for (const key of fresh.keys()) this.#requests.set(key, request)
      all.add(request)
      void this.#forget(fresh.keys(), request)
    }
    return { all, isAsked }
  }

  async #forget(keys: Iterable<string>, request: Request): Promise<void> {
    const { clock } = this.#o
    const over = new AbortController()
    const mostMs = Math.max(GIVEN_UP_MS, this.definition.deadlineMs)
    await Promise.race([request.done, clock.sleep(mostMs, over.signal)])
    over.abort()
    for (const key of keys) if (this.#requests.get(key) === request) this.#requests.delete(key)
  }

  /** Waits for answers until the deadline. */
  async #receive(
    missed: ReadonlyMap<string, number>,
    requests: ReadonlySet<Request>,
    into: Map<string, Answer>,
  ): Promise<void> {
    const over = new AbortController()
    const answered = Promise.all([...requests].map(({ done }) => done)).then(() => true)
    const late = this.#late(over.signal)
    const isAnswered = await Promise.race([answered, late])
    over.abort()
    if (!isAnswered) this.#failed('no answer within the deadline')
    for (const key of missed.keys()) {
      const request = [...requests].find(({ answers }) => answers.has(key))
      into.set(key, request?.answers.get(key) ?? LATE)
    }
  }

  /**
   * Resolves at the deadline. Its parts are waited for one after the other, because in a turn of the
   * event loop, however long, no answer can be read.
   */
  #late(over: AbortSignal): Promise<false> {
    const { clock } = this.#o
    return new Promise((resolve) => {
      let left = PARTS
      const wait = () => {
        if (over.aborted) return
        if (left === 0) resolve(false)
        else clock.after(this.definition.deadlineMs / PARTS, wait)
        left--
      }
      wait()
    })
  }

  /** Never rejects. */
  async #ask(newestMs: ReadonlyMap<string, number>, answers: Map<string, Answer>): Promise<void> {
    const { clock, source } = this.#o
    const askedMs = clock.elapsedMs()
    const keys = [...newestMs.keys()]
    const tell = (report: Pick<StoreReport, 'invalid' | 'computed' | 'error'>) =>
      this.#o.report({ durationMs: clock.elapsedMs() - askedMs, keys: keys.length, ...report })
    let stored: readonly StoredRow[]
    try {
      stored = await source.getMany(keys)
      this.#succeeded()
    } catch (thrown) {
      this.#failed(messageOf(thrown))
      for (const key of keys) answers.set(key, UNAVAILABLE)
      tell({ invalid: 0, computed: 0, error: nameOf(thrown) })
      return
    }
    let invalid = 0
    const keep = (key: string, answer: Answer) => {
      answers.set(key, answer)
      if (answer.degraded === null) this.#cache?.set(key, { ...answer, askedMs })
    }
    const lacking = keys.flatMap((key, i) => {
      const one = stored[i] as StoredRow
      if (one.value === UNREAD) {
        answers.set(key, UNAVAILABLE)
        return []
      }
      const answer = this.#answerOf(one, false)
      if (answer === INVALID) invalid++
      const known = answer === INVALID ? NOTHING : answer
      const isEnough = !this.#lacks(known, newestMs.get(key) as number) && one.missing.length === 0
      if (this.definition.onMiss !== null && !isEnough) return [{ key, stored: one }]
      keep(key, known)
      return []
    })
    const computed = await Promise.all(
      lacking.map(async ({ key, stored: one }) => {
        const made = await this.#compute(key, one)
        keep(key, made.answer)
        return made
      }),
    )
    this.#writeBack(computed.flatMap(({ row }) => row ?? []))
    const failed = computed.filter(({ answer }) => answer.degraded !== null)
    tell({
      invalid,
      computed: computed.length - failed.length,
      error: failed.length === 0 ? null : 'onMiss',
    })
  }

  #failed(reason: string): void {
    this.#breaker.failed()
    if (this.#isFailing || !this.#breaker.isOpen) return
    this.#isFailing = true
    this.#o.failing(reason)
  }

  #succeeded(): void {
    this.#breaker.succeeded()
    if (this.#isFailing) this.#o.failing(null)
    this.#isFailing = false
  }

  /** The answer with a stored or computed row. */
  #answerOf({ value, missing }: StoredRow, isComputed: boolean): Answer | typeof INVALID {
    if (value === INVALID) return INVALID
    if (value === undefined) return { ...NOTHING, isComputed }
    const { schema, fallback, at } = this.definition
    try {
      const whole = missing.length === 0 ? value : { ...fallback, ...(value as object) }
      const row = checkedBy(schema, whole)
      const timeMs = at === null ? Number.NaN : at(row)
      if (row == null || typeof timeMs !== 'number') return INVALID
      return { row, isComputed, timeMs, degraded: null }
    } catch {
      // A row without fields that the schema wants is none, and neither is one that it refuses.
      return missing.length === 0 ? INVALID : { ...NOTHING, isComputed }
    }
  }

  /** Computes what is missing of a row. Never rejects. */
  async #compute(key: string, { value, missing }: StoredRow) {
    const { onMiss, from } = this.definition
    const own = ('redis' in from ? from.redis.fields : undefined) ?? []
    const isPart = typeof value === 'object' && missing.length > 0 && missing.length < own.length
    const fields = isPart ? missing : own
    try {
      const made: unknown = await onMiss?.(key, fields)
      if (made === null || made === undefined) return { answer: COMPUTED_NOTHING, row: null }
      const whole = isPart ? { ...(value as object), ...made } : made
      const left = fields.filter((field) => !Object.hasOwn(made as object, field))
      const answer = this.#answerOf({ value: whole, missing: left }, true)
      if (answer === INVALID) return { answer: FAILED, row: null }
      const row: Computed = { key, value: made, fields: fields.filter((f) => !left.includes(f)) }
      return { answer, row }
    } catch {
      return { answer: FAILED, row: null }
    }
  }

  /** Behind the events: they do not wait for it. */
  #writeBack(rows: readonly Computed[]): void {
    const { source, report } = this.#o
    const ttlMs = this.definition.writeBackMs
    if (ttlMs === null || rows.length === 0) return
    const none = { durationMs: 0, keys: 0, invalid: 0, computed: 0 }
    source.setMany?.(rows, ttlMs).catch((thrown) => report({ ...none, error: nameOf(thrown) }))
  }
}

const NOTHING: Answer = { row: undefined, isComputed: false, timeMs: Number.NaN, degraded: null }
const COMPUTED_NOTHING: Answer = { ...NOTHING, isComputed: true }
const LATE: Answer = { ...NOTHING, degraded: 'deadline' }
const UNAVAILABLE: Answer = { ...NOTHING, degraded: 'unavailable' }
const FAILED: Answer = { ...NOTHING, degraded: 'failed' }

/** The rows of a batch of events, between {@link fetch} and the next. */
class FetchedRows implements StoreRows {
  degraded: Degradation | null = null
  readonly #store: OpenStore
  #answers = new Map<string, Answer>()

  constructor(store: OpenStore) {
    this.#store = store
  }

  fetch(newestMs: ReadonlyMap<string, number>): Promise<void> | null {
    this.#answers = new Map()
    return this.#store.fetch(newestMs, this.#answers)
  }

  get(key: string, timeMs: number): unknown {
    const answer = this.#answers.get(key) ?? NOTHING
    this.degraded = answer.degraded
    return this.#store.rowOf(answer, timeMs)
  }
}

function bytesOf({ row }: Entry, key: string): number {
  return ENTRY_BYTES + 2 * (key.length + lengthOf(row))
}

function lengthOf(row: unknown): number {
  try {
    return JSON.stringify(row)?.length ?? 0
  } catch {
    // A schema may give what has no JSON, such as a BigInt.
    return ENTRY_BYTES
  }
}

function noCounts(): StoreCounts & KeyCounts {
  return { found: 0, ahead: 0, absent: 0, expired: 0, degraded: 0, fresh: 0, stale: 0, missed: 0 }
}
