import { LRUCache } from 'lru-cache'
import { CircuitBreaker } from '../kernel/circuit-breaker.ts'
import type { Clock } from '../kernel/clock.ts'
import { messageOf } from '../kernel/errors.ts'
import type { StoreDefinition } from '../topology/definition.ts'
import type { KeyedEvents, StoreRows } from '../topology/lookup.ts'
import { checkedBy, nameOf } from '../topology/schema.ts'
import { type Computed, INVALID, type StoredRow, type StoreSource, UNREAD } from './store-source.ts'

/** Longest time for which an online store that fails is not asked, ms. */
const LONGEST_MS = 2_000
/** A few failures over so many deadlines open the breaker, because batches wait for each. */
const DEADLINES = 10
/** After this time, or the deadline, a key without an answer may be asked for again, ms. */
const GIVEN_UP_MS = 1_000
/**
 * A row moves to the front of the cache at most once in this time, ms, because a move costs as much as
 * the look-up (memcached: ITEM_UPDATE_INTERVAL).
 */
const MOVED_MS = 10_000
/** A deadline passes in so many parts. Two requests, one after the other, take four turns of the event loop. */
const PARTS = 6
/** Memory of a row besides its JSON, bytes. */
const ENTRY_BYTES = 300

/** Why an online store did not give a row: too late; not at all; `onMiss` has failed. */
type Degradation = 'deadline' | 'unavailable' | 'failed'

/** The answer about a key. */
interface Answer {
  /** `undefined`: there is none. */
  readonly row: unknown
  /** Whether `onMiss` made it. */
  readonly isComputed: boolean
  /** The time of the row, ms since the epoch. `null`: it has none. */
  readonly timeMs: number | null
  readonly degraded: Degradation | null
  /** When it was asked for, whole ms. */
  readonly askedMs: number
  /** When it was last moved to the front of the cache, whole ms. */
  usedMs: number
}

/** Keys that are asked for together. */
class RowRequest {
  readonly keys: RequestKey[] = []
  /** Whether the store may be asked. `null`: nothing has been wanted. */
  isPermitted: boolean | null = null
  /** Never rejects. */
  done = Promise.resolve()
}

interface RequestKey {
  readonly key: string
  readonly request: RowRequest
  /** Time of its newest event. */
  newestMs: number
  /** `null`: there is none yet. */
  answer: Answer | null
}

const NO_COUNTS = {
  found: 0,
  /** The row was later than the event. */
  ahead: 0,
  absent: 0,
  /** The row was older than `maxAge`. */
  expired: 0,
  degraded: 0,
  fresh: 0,
  stale: 0,
  /** The store was asked, or could not be. */
  missed: 0,
}

/** Counts of look-ups, one for each event: by their results, and by the rows in memory. */
export type StoreCounts = typeof NO_COUNTS
type Freshness = 'fresh' | 'stale' | 'missed'

/** The outcome of a request. */
export interface StoreReport {
  readonly durationMs: number
  /** Values that are not rows. */
  readonly invalid: number
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

/** The rows of an online store that a worker has asked for. Its partitions share them. */
export class OpenStore {
  readonly definition: StoreDefinition
  readonly #o: StoreOptions
  /** `null`: nothing is kept. */
  readonly #cache: LRUCache<string, Answer> | null
  /** By key: those that are being asked for. */
  readonly #requestKeys = new Map<string, RequestKey>()
  readonly #breaker: CircuitBreaker
  #counts = { ...NO_COUNTS }

  constructor(definition: StoreDefinition, options: StoreOptions) {
    const { clock, maxBytes } = options
    const { freshMs, staleMs, maxEntries: max } = definition
    this.definition = definition
    this.#o = options
    const size = { max, maxSize: maxBytes, sizeCalculation: bytesOf }
    this.#cache = freshMs + staleMs > 0 ? new LRUCache(size) : null
    this.#breaker = new CircuitBreaker({
      longestMs: LONGEST_MS,
      overMs: DEADLINES * definition.deadlineMs,
      elapsedMs: () => clock.elapsedMs(),
    })
  }

  /** Rows for one step of a task. */
  rows(): StoreRows {
    return new FetchedRows(this)
  }

  /** Bytes of the rows in memory, approximately. */
  get bytes(): number {
    return this.#cache?.calculatedSize ?? 0
  }

  /** Counts after the last call. */
  takeCounts(): StoreCounts {
    const counts = this.#counts
    this.#counts = { ...NO_COUNTS }
    return counts
  }

  /** Puts the rows of a batch of events at their places. @returns `null`: all are there */
  fetch({ keys, timesMs }: KeyedEvents, into: FetchedRows): Promise<void> | null {
    const nowMs = this.#nowMs()
    const [missed, stale] = [new RowRequest(), new RowRequest()]
    const awaited: [index: number, RequestKey][] = []
    const put = (i: number, answer: Answer) =>
      into.put(i, this.#rowOf(answer, timesMs[i] as number), answer.degraded)
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]
      if (key === null || key === undefined) continue
      const timeMs = timesMs[i] as number
      const entry = this.#recall(key, nowMs)
      const state = entry === undefined ? 'missed' : this.#stateOf(entry, nowMs, timeMs)
      this.#counts[state]++
      if (state !== 'missed') put(i, entry as Answer)
      if (state === 'stale') this.#want(key, timeMs, stale)
      if (state !== 'missed') continue
      const requestKey = this.#want(key, timeMs, missed)
      if (requestKey === null) put(i, UNAVAILABLE)
      else awaited.push([i, requestKey])
    }
    this.#send(stale)
    this.#send(missed)
    if (awaited.length === 0) return null
    const waitAndPut = async () => {
      await this.#wait(new Set(awaited.map(([, { request }]) => request)))
      for (const [i, { answer }] of awaited) put(i, answer ?? LATE)
    }
    return waitAndPut()
  }

  /** The row of a look-up, or its substitute. */
  #rowOf(answer: Answer, eventMs: number): unknown {
    const { row, timeMs, degraded } = answer
    if (degraded !== null) this.#counts.degraded++
    else if (row === undefined) this.#counts.absent++
    else if (this.#lacks(answer, eventMs)) this.#counts.expired++
    else {
      if (timeMs !== null && timeMs > eventMs) this.#counts.ahead++
      else this.#counts.found++
      return row
    }
    return this.definition.fallback ?? undefined
  }

  #nowMs(): number {
    return Math.trunc(this.#o.clock.elapsedMs())
  }

  #recall(key: string, nowMs: number): Answer | undefined {
    const entry = this.#cache?.peek(key)
    if (entry === undefined || nowMs - entry.usedMs < MOVED_MS) return entry
    entry.usedMs = nowMs
    return this.#cache?.get(key)
  }

  #stateOf(answer: Answer, nowMs: number, eventMs: number): Freshness {
    const { freshMs, staleMs, onMiss } = this.definition
    const ageMs = nowMs - answer.askedMs
    if (onMiss !== null && !answer.isComputed && this.#lacks(answer, eventMs)) return 'missed'
    if (ageMs < freshMs) return 'fresh'
    return answer.row !== undefined && ageMs < freshMs + staleMs ? 'stale' : 'missed'
  }

  /** Whether there is no row that an event of this time can use. */
  #lacks({ row, timeMs }: Answer, eventMs: number): boolean {
    if (row === undefined) return true
    return timeMs !== null && eventMs - timeMs > this.definition.maxAgeMs
  }

  /** Adds a key to a request unless it is being asked for. @returns `null`: it cannot be asked for */
  #want(key: string, timeMs: number, request: RowRequest): RequestKey | null {
    const requestKey = this.#requestKeys.get(key)
    if (requestKey?.request === request) {
      requestKey.newestMs = Math.max(requestKey.newestMs, timeMs)
      return requestKey
    }
    // Nothing waits for the request that is on trial, but those that made it.
    if (requestKey !== undefined) return this.#breaker.isOpen ? null : requestKey
    request.isPermitted ??= this.#breaker.permits()
    if (!request.isPermitted) return null
    const newKey = { key, request, newestMs: timeMs, answer: null }
    request.keys.push(newKey)
    this.#requestKeys.set(key, newKey)
    return newKey
  }

  #send(request: RowRequest): void {
    const { keys } = request
    if (keys.length === 0) return
    request.done = this.#ask(keys)
    const forget = () => {
      for (const requestKey of keys)
        if (this.#requestKeys.get(requestKey.key) === requestKey)
          this.#requestKeys.delete(requestKey.key)
    }
    const cancel = this.#o.clock.after(Math.max(GIVEN_UP_MS, this.definition.deadlineMs), () => {
      forget()
      this.#failed('no answer')
    })
    void request.done.then(forget).then(cancel)
  }

  /**
   * Waits until the deadline. It has parts, because in one turn of the event loop, however long, no
   * request is sent and no answer read.
   */
  #wait(requests: ReadonlySet<RowRequest>): Promise<void> {
    return new Promise((resolve) => {
      let left = PARTS
      let cancel = () => {}
      const wait = () => {
        if (left-- > 0) cancel = this.#o.clock.after(this.definition.deadlineMs / PARTS, wait)
        else {
          this.#failed('no answer within the deadline')
          resolve()
        }
      }
      wait()
      const answers = Promise.all(Array.from(requests, ({ done }) => done))
      void answers.then(() => cancel()).then(resolve)
    })
  }

  async #ask(keys: readonly RequestKey[]): Promise<void> {
    const { clock, source } = this.#o
    const startMs = clock.elapsedMs()
    const askedMs = this.#nowMs()
    const tell = (report: Omit<StoreReport, 'durationMs'>) =>
      this.#o.report({ durationMs: clock.elapsedMs() - startMs, ...report })
    let stored: readonly StoredRow[]
    try {
      stored = await source.getMany(keys.map(({ key }) => key))
      this.#succeeded()
    } catch (thrown) {
      this.#failed(messageOf(thrown))
      for (const requestKey of keys) requestKey.answer = UNAVAILABLE
      tell({ invalid: 0, error: nameOf(thrown) })
      return
    }
    let invalid = 0
    const keep = (requestKey: RequestKey, answer: Answer) => {
      requestKey.answer = answer
      const { key } = requestKey
      if (answer.degraded === null) this.#cache?.set(key, newAnswer({ ...answer, askedMs }))
    }
    const lacking: { readonly requestKey: RequestKey; readonly stored: StoredRow }[] = []
    for (const [i, requestKey] of keys.entries()) {
      const row = stored[i] as StoredRow
      const answer = row.value === UNREAD ? UNAVAILABLE : this.#answerOf(row, false)
      if (answer === INVALID) invalid++
      const reply = answer === INVALID ? NOTHING : answer
      const isEnough = row.missing.length === 0 && !this.#lacks(reply, requestKey.newestMs)
      const mayCompute = this.definition.onMiss !== null && reply.degraded === null
      if (mayCompute && !isEnough) lacking.push({ requestKey, stored: row })
      else keep(requestKey, reply)
    }
    const computed = await Promise.all(
      lacking.map(async ({ requestKey, stored: row }) => {
        const made = await this.#compute(requestKey.key, row)
        keep(requestKey, made.answer)
        return made
      }),
    )
    this.#writeBack(computed.flatMap(({ row }) => row ?? []))
    const hasFailed = computed.some(({ answer }) => answer.degraded !== null)
    tell({ invalid, error: hasFailed ? 'onMiss' : null })
  }

  #failed(reason: string): void {
    const wasOpen = this.#breaker.isOpen
    this.#breaker.failed()
    if (!wasOpen && this.#breaker.isOpen) this.#o.failing(reason)
  }

  #succeeded(): void {
    if (this.#breaker.isOpen) this.#o.failing(null)
    this.#breaker.succeeded()
  }

  /** The answer with a stored or computed row. */
  #answerOf({ value, missing }: StoredRow, isComputed: boolean): Answer | typeof INVALID {
    if (value === INVALID) return INVALID
    if (value === undefined) return isComputed ? COMPUTED_NOTHING : NOTHING
    const { schema, fallback, at } = this.definition
    try {
      const whole = missing.length === 0 ? value : { ...fallback, ...(value as object) }
      const row = checkedBy(schema, whole)
      const timeMs = at === null ? null : at(row)
      if (row == null || (at !== null && typeof timeMs !== 'number')) return INVALID
      return newAnswer({ row, isComputed, timeMs })
    } catch {
      // A row without fields that the schema wants is none, and neither is one that it refuses.
      if (missing.length === 0) return INVALID
      return isComputed ? COMPUTED_NOTHING : NOTHING
    }
  }

  /** Computes the missing part of a row. Never rejects. */
  async #compute(key: string, { value, missing }: StoredRow) {
    const { onMiss, from } = this.definition
    const names = ('connector' in from ? from.options.fields : undefined) ?? []
    const isPart = typeof value === 'object' && missing.length > 0 && missing.length < names.length
    const fields = isPart ? missing : names
    try {
      const made: unknown = await onMiss?.(key, fields)
      if (made === null || made === undefined) return { answer: COMPUTED_NOTHING, row: null }
      const whole = isPart ? { ...(value as object), ...made } : made
      const left = fields.filter((field) => !Object.hasOwn(made, field))
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
    const { source } = this.#o
    const ttlMs = this.definition.writeBackMs
    if (ttlMs === null || rows.length === 0) return
    const none = { durationMs: 0, invalid: 0 }
    source
      .setMany(rows, ttlMs)
      .catch((thrown) => this.#o.report({ ...none, error: nameOf(thrown) }))
  }
}

const NOTHING = newAnswer({})
const COMPUTED_NOTHING = newAnswer({ isComputed: true })
const LATE = newAnswer({ degraded: 'deadline' })
const UNAVAILABLE = newAnswer({ degraded: 'unavailable' })
const FAILED = newAnswer({ degraded: 'failed' })

/** All have one layout in memory, because one is read for each event. */
function newAnswer({
  row,
  isComputed = false,
  timeMs = null,
  degraded = null,
  askedMs = 0,
}: Partial<Answer>): Answer {
  return { row, isComputed, timeMs, degraded, askedMs, usedMs: askedMs }
}

/** The rows of a batch of events, between {@link fetch} and the next. */
class FetchedRows implements StoreRows {
  degraded: Degradation | null = null
  readonly #store: OpenStore
  #rows: unknown[] = []
  /** By place, why a row is a substitute. */
  readonly #degraded = new Map<number, Degradation>()

  constructor(store: OpenStore) {
    this.#store = store
  }

  fetch(events: KeyedEvents): Promise<void> | null {
    this.#rows = new Array(events.keys.length)
    this.#degraded.clear()
    return this.#store.fetch(events, this)
  }

  put(index: number, row: unknown, degraded: Degradation | null): void {
    this.#rows[index] = row
    if (degraded !== null) this.#degraded.set(index, degraded)
  }

  at(index: number): unknown {
    this.degraded = this.#degraded.size === 0 ? null : (this.#degraded.get(index) ?? null)
    return this.#rows[index]
  }
}

function bytesOf({ row }: Answer, key: string): number {
  return ENTRY_BYTES + 2 * (key.length + lengthOf(row))
}

function lengthOf(row: unknown): number {
  try {
    return JSON.stringify(row)?.length ?? 0
  } catch {
    // A schema may give a value without JSON, such as a BigInt.
    return ENTRY_BYTES
  }
}
