import type { TopicPartition } from '../connect/port.ts'
import type { Code } from '../kernel/errors.ts'
import { groupedBy } from '../kernel/grouped.ts'
import { partitionName } from '../kernel/ids.ts'
import { someOf } from '../kernel/wording.ts'

// Conditions that last, from the event that begins one to the event that ends it: one table of their
// kinds, and one fold, by which a worker decides its state and observers show it.

interface KindOfTrouble {
  /**
   * The effect on the work: it waits (the worker is unavailable) · goes on with less, or slower ·
   * only windows are kept open.
   */
  readonly effect: 'waits' | 'suffers' | 'stays'
  /** The sentence for people, without the words of a system outside. */
  readonly begins: string
  /** The longest time until its end is noticed, seconds. */
  readonly endsWithinS: number
  /** The error that is most often behind it. */
  readonly code?: Code
  /** The verb of its partitions, where the reason does not say it. */
  readonly does?: string
  /** The end in the log, of a kind that does not change the state of the worker. */
  readonly ends?: string
}

type More = Pick<KindOfTrouble, 'code' | 'does'>

function waits(begins: string, endsWithinS: number, more: More = {}): KindOfTrouble {
  return { effect: 'waits', begins, endsWithinS, ...more }
}

/** @param ends `null`: it does not end before the worker does */
function suffers(
  [begins, ends]: readonly [string, string?],
  endsWithinS: number,
  more: More = {},
): KindOfTrouble {
  return { effect: 'suffers', begins, ...(ends !== undefined && { ends }), endsWithinS, ...more }
}

const ENDED = 'the process of the worker has ended: it is started again'
const NO_MEMBER = 'the worker is not a member of its group: it tries again'
const UNDECODED = 'records cannot be decoded yet: the partition waits'
const SLOWED = 'too many dead letters: the partition goes on at 100 records a second'
const HELD_BACK = 'the watermark is held back: no record comes, and the source has no idleAfter'

const KINDS = {
  restarting: waits(ENDED, 30, { code: 'WORKER_FAILED' }),
  silent: waits('the process of the worker does not respond', 5),
  unavailable: waits(NO_MEMBER, 10, { code: 'BROKER_UNAVAILABLE' }),
  unreadable: waits('the partition cannot be read', 5, {
    ...{ code: 'BROKER_UNAVAILABLE', does: 'cannot be read' },
  }),
  commit: waits('commits fail or take long: nothing is lost', 10, { code: 'COMMIT_FAILED' }),
  model: waits('the model can score no event: they wait', 30, {
    ...{ code: 'MODEL_FAILING', does: 'waits' },
  }),
  schema: waits(UNDECODED, 5, { code: 'REGISTRY_UNAVAILABLE', does: 'waits' }),
  breaker: waits(SLOWED, 30),
  rebalance: suffers(
    [
      'the group has been rebalancing for more than 5 s: nothing is committed meanwhile',
      'the group is balanced again',
    ],
    5,
    { code: 'REBALANCING' },
  ),
  system: suffers(
    [
      'a system does not answer: rows of its stores are substitutes, and values for it wait',
      'the system answers again',
    ],
    30,
  ),
  store: suffers(
    ['the store does not answer: its rows are substitutes', 'the store answers again'],
    30,
  ),
  table: suffers(['the table is not updated until this ends', 'the table is up to date again'], 10),
  unknown: suffers(
    [
      'a schema does not exist: its records are set aside',
      'no record had an unknown schema for a minute',
    ],
    60,
    { code: 'SCHEMA_UNKNOWN', does: 'sets records aside' },
  ),
  writing: suffers(['writing to the brokers is slow', 'writing to the brokers is fast again'], 5),
  idle: { effect: 'stays', begins: HELD_BACK, endsWithinS: 1 },
  shadow: suffers(
    [
      'scores of a shadow are not written: they are dropped',
      'scores of a shadow are written again',
    ],
    60,
  ),
  'shadow-off': suffers(['a shadow is off until the worker starts again'], 60),
} satisfies Readonly<Record<string, KindOfTrouble>>

export type TroubleKind = keyof typeof KINDS

/** Kinds of trouble, the worst first. */
export const TROUBLES: Readonly<Record<TroubleKind, KindOfTrouble>> = KINDS
export const WORST_FIRST = Object.keys(KINDS) as readonly TroubleKind[]

/** Labels of a trouble, as far as its kind has them. */
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

/** All troubles that go on now. */
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
   * Everything that is wrong, with the reasons that were reported; `null`: nothing is.
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
