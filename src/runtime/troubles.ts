import type { TopicPartition } from '../connect/port.ts'
import type { Code } from '../kernel/errors.ts'
import { groupedBy } from '../kernel/grouped.ts'
import { partitionName } from '../kernel/ids.ts'
import { someOf } from '../kernel/wording.ts'

// Conditions that last, from the event that begins one to the event that ends it: one table of their
// kinds, and one fold, by which a worker decides its state and observers show it.

interface KindOfTrouble {
  /**
   * What becomes of the work: it waits (the worker is unavailable) · goes on with less, or slower ·
   * only windows are kept open.
   */
  readonly effect: 'waits' | 'suffers' | 'stays'
  /** The error that is most often behind it. */
  readonly code?: Code
  /** What is wrong, without what a system outside has said about it. */
  readonly begins: string
  /** The end in the log, of a kind that does not change the state of the worker. */
  readonly ends?: string
  /** What partitions do meanwhile; without it the reason says it. */
  readonly does?: string
  /** The longest time until its end is noticed, seconds. */
  readonly endsWithinS: number
}

const KINDS = {
  restarting: {
    effect: 'waits',
    code: 'WORKER_FAILED',
    begins: 'the process of the worker has ended: it is started again',
    endsWithinS: 30,
  },
  silent: {
    effect: 'waits',
    begins: 'the process of the worker does not respond',
    endsWithinS: 5,
  },
  unavailable: {
    effect: 'waits',
    code: 'BROKER_UNAVAILABLE',
    begins: 'the worker is not a member of its group: it tries again',
    endsWithinS: 10,
  },
  unreadable: {
    effect: 'waits',
    code: 'BROKER_UNAVAILABLE',
    begins: 'the partition cannot be read',
    does: 'cannot be read',
    endsWithinS: 5,
  },
  commit: {
    effect: 'waits',
    code: 'COMMIT_FAILED',
    begins: 'commits fail or take long: nothing is lost',
    endsWithinS: 10,
  },
  model: {
    effect: 'waits',
    code: 'MODEL_FAILING',
    begins: 'the model can score no event: they wait',
    does: 'waits',
    endsWithinS: 30,
  },
  schema: {
    effect: 'waits',
    code: 'REGISTRY_UNAVAILABLE',
    begins: 'records cannot be decoded yet: the partition waits',
    does: 'waits',
    endsWithinS: 5,
  },
  breaker: {
    effect: 'waits',
    begins: 'too many dead letters: the partition goes on at 100 records a second',
    endsWithinS: 30,
  },
  rebalance: {
    effect: 'suffers',
    code: 'REBALANCING',
    begins: 'the group has been rebalancing for more than 5 s: nothing is committed meanwhile',
    ends: 'the group is balanced again',
    endsWithinS: 5,
  },
  system: {
    effect: 'suffers',
    begins: 'a system does not answer: rows of its stores are substitutes, and values for it wait',
    ends: 'the system answers again',
    endsWithinS: 30,
  },
  store: {
    effect: 'suffers',
    begins: 'the store does not answer: its rows are substitutes',
    ends: 'the store answers again',
    endsWithinS: 30,
  },
  table: {
    effect: 'suffers',
    begins: 'the table is not updated until this ends',
    ends: 'the table is up to date again',
    endsWithinS: 10,
  },
  unknown: {
    effect: 'suffers',
    code: 'SCHEMA_UNKNOWN',
    begins: 'a schema does not exist: its records are set aside',
    ends: 'no record had an unknown schema for a minute',
    does: 'sets records aside',
    endsWithinS: 60,
  },
  writing: {
    effect: 'suffers',
    begins: 'writing to the brokers is slow',
    ends: 'writing to the brokers is fast again',
    endsWithinS: 5,
  },
  idle: {
    effect: 'stays',
    begins: 'the watermark is held back: no record comes, and the source has no idleAfter',
    endsWithinS: 1,
  },
  shadow: {
    effect: 'suffers',
    begins: 'scores of a shadow are not written: they are dropped',
    ends: 'scores of a shadow are written again',
    endsWithinS: 60,
  },
  'shadow-off': {
    effect: 'suffers',
    begins: 'a shadow is off until the worker starts again',
    ends: 'the shadow is on again',
    endsWithinS: 60,
  },
} satisfies Readonly<Record<string, KindOfTrouble>>

export type TroubleKind = keyof typeof KINDS

/** Kinds of trouble, the worst first. */
export const TROUBLES: Readonly<Record<TroubleKind, KindOfTrouble>> = KINDS
export const WORST_FIRST = Object.keys(KINDS) as readonly TroubleKind[]

/** What a trouble is about, as far as its kind has it. */
interface TroubleLabels {
  readonly topology?: string
  readonly partition?: TopicPartition
  /** Name of the score step. */
  readonly step?: string
  readonly model?: string
  readonly table?: string
  readonly store?: string
  readonly system?: string
}

export interface TroubleReport extends TroubleLabels {
  readonly kind: TroubleKind
  /** Why it has begun, or goes on; `null`: it is over. */
  readonly reason: string | null
}

/** A trouble that goes on. */
export interface Trouble extends TroubleReport {
  readonly reason: string
  /** When it began, ms since the epoch. */
  readonly sinceMs: number
}

const IN_ORDER = new Intl.Collator('en', { numeric: true })

/** What is wrong now. */
export class Troubles {
  readonly #clock: { nowMs(): number }
  readonly #all = new Map<string, Trouble>()

  constructor(clock: { nowMs(): number }) {
    this.#clock = clock
  }

  /** The worst first, and of a kind the oldest. */
  get all(): readonly Trouble[] {
    return WORST_FIRST.flatMap((kind) => this.ofKind(kind))
  }

  /** The oldest first. */
  ofKind(kind: TroubleKind): readonly Trouble[] {
    return [...this.#all.values()].filter((trouble) => trouble.kind === kind)
  }

  report({ reason, ...trouble }: TroubleReport): void {
    const id = idOf(trouble)
    if (reason === null) this.#all.delete(id)
    else {
      const sinceMs = this.#all.get(id)?.sinceMs ?? this.#clock.nowMs()
      this.#all.set(id, { ...trouble, reason, sinceMs })
    }
  }

  /** Ends the troubles of a partition that is lost. */
  lost(lost: TopicPartition): void {
    for (const [id, { partition }] of this.#all) {
      if (partition && partitionName(partition) === partitionName(lost)) this.#all.delete(id)
    }
  }

  /**
   * Everything that is wrong, with what was said about it; `null`: nothing is.
   * @default of any effect
   */
  reason(wanted?: KindOfTrouble['effect']): string | null {
    if (this.#all.size === 0) return null
    const reasons = WORST_FIRST.flatMap((kind) => {
      const { does, effect } = TROUBLES[kind]
      const troubles = effect === (wanted ?? effect) ? this.ofKind(kind) : []
      if (does === undefined) return troubles.map(({ reason }) => reason)
      const alike = groupedBy(troubles, ({ reason }) => reason)
      return [...alike].map(([reason, group]) => `${namesOf(group)} ${does}: ${reason}`)
    })
    return reasons.length === 0 ? null : reasons.join('; ')
  }
}

function idOf({ kind, partition, ...labels }: Omit<TroubleReport, 'reason'>): string {
  const { topology, step, model, table, store, system } = labels
  const name = partition && partitionName(partition)
  return JSON.stringify([kind, name, topology, step, model, table, store, system])
}

function namesOf(troubles: readonly Trouble[]): string {
  const partitions = troubles.flatMap(({ partition }) => partition ?? [])
  const names = [...new Set(partitions.map(partitionName))].toSorted(IN_ORDER.compare)
  return someOf(names)
}
