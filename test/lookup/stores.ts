import { millis } from 'tidemark'
import { z } from 'zod'
import type { Clock } from '../../src/kernel/clock.ts'
import { OpenStore, type StoreCounts, type StoreReport } from '../../src/lookup/store.ts'
import { GivenSource, type StoredRow, type StoreSource } from '../../src/lookup/store-source.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { StoreDefinition } from '../../src/topology/definition.ts'

// A store over rows in memory, on a clock that the test moves.

const Profile = z.object({ spend: z.number(), atMs: z.number().optional() })
export const NOW_MS = Date.UTC(2026, 2, 1)

export const STORE_DEFAULTS: StoreDefinition = {
  name: 'profiles',
  schema: Profile,
  from: { getMany: async () => [] },
  freshMs: 0,
  staleMs: 0,
  maxEntries: 1_000,
  deadlineMs: 20,
  at: null,
  maxAgeMs: Number.POSITIVE_INFINITY,
  onMiss: null,
  writeBackMs: null,
  fallback: null,
}

/** A store whose requests are seen, and answered when the test says so. */
export class TriedStore {
  readonly clock = new VirtualClock(NOW_MS)
  readonly rows: Map<string, unknown>
  /** The keys of each request. */
  readonly asked: (readonly string[])[] = []
  readonly reports: StoreReport[] = []
  readonly failing: (string | null)[] = []
  readonly written: unknown[] = []
  readonly store: OpenStore
  /** Before each answer; it may throw. */
  answer: () => void | Promise<void> = () => undefined

  /** @param clock in place of one that the test moves */
  constructor(
    given: Partial<StoreDefinition>,
    rows: Readonly<Record<string, unknown>> = {},
    clock?: Clock,
  ) {
    const definition = { ...STORE_DEFAULTS, ...given }
    const source = new GivenSource(definition, Object.entries(rows))
    this.rows = source.rows
    this.store = new OpenStore(definition, {
      source: this.#watched(source),
      clock: clock ?? this.clock,
      maxBytes: 1_000_000,
      report: (report) => this.reports.push(report),
      failing: (reason) => this.failing.push(reason),
    })
  }

  #watched(source: GivenSource): StoreSource {
    return {
      getMany: async (keys): Promise<readonly StoredRow[]> => {
        this.asked.push(keys)
        await this.answer()
        return source.getMany(keys)
      },
      setMany: async (rows, ttlMs) => {
        this.written.push({ rows, ttlMs })
        await source.setMany(rows)
      },
    }
  }

  /** Looks keys up for events of this time. */
  async look(keys: readonly string[], eventMs = NOW_MS) {
    const rows = this.store.rows()
    await rows.fetch({ keys, timesMs: new Float64Array(keys.length).fill(eventMs) })
    return keys.map((_, i) => {
      const row = rows.at(i)
      return rows.degraded ?? row
    })
  }

  counts(): Partial<StoreCounts> {
    const all = Object.entries(this.store.takeCounts())
    return Object.fromEntries(all.filter(([, count]) => count > 0))
  }

  pass(ms: number): void {
    const untilMs = this.clock.nowMs() + ms
    while (this.clock.step(untilMs));
  }
}

export const short = { freshMs: millis(1_000), staleMs: millis(1_000) }
