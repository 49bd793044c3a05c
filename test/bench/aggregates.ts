import { EventColumns } from '../../src/engine/store/event-columns.ts'
import { Histories } from '../../src/engine/store/histories.ts'
import { WindowWalk } from '../../src/engine/store/window-walk.ts'
import { dayOfWeek, hourOfDay, millis } from '../../src/kernel/time.ts'
import type { Aggregate } from '../../src/topology/aggregates.ts'
import type { EventFunction } from '../../src/topology/definition.ts'
import { HASH } from '../support/hash.ts'
import { figure, machine } from './figures.ts'

// Measures the cost of an aggregate by the number of events in its window: µs of CPU an event,
// which enters one key's window, evicts old events and computes the aggregate over the window.
// Prints the table of RESULTS.md and the machine. npx tsx test/bench/aggregates.ts

const SIZES = [10, 100, 1_000, 10_000, 100_000]
const STEP_MS = 10
/** Events that are timed; the same number before them is not. */
const TIMED = 60_000
/** Out of order, one in this many events is behind, by up to this fraction of the window. */
const ONE_IN = 5
const BEHIND = 0.1

interface Payment {
  readonly timeMs: number
  readonly amount: number
  readonly fee: number
  readonly shop: string
  readonly refund: boolean
}

const pick = (name: keyof Payment) => ((p: Payment) => p[name]) as EventFunction<unknown>
const COLUMNS = {
  amount: pick('amount'),
  fee: pick('fee'),
  shop: pick('shop'),
  refund: pick('refund'),
}

const empty = Number.NaN
const AGGREGATES: readonly Aggregate[] = [
  { of: 'count' },
  { of: 'rate' },
  { of: 'sum', column: 'amount' },
  { of: 'mean', column: 'amount', empty },
  { of: 'min', column: 'amount', empty },
  { of: 'max', column: 'amount', empty },
  { of: 'variance', column: 'amount', empty },
  { of: 'std', column: 'amount', empty },
  { of: 'skewness', column: 'amount', empty },
  { of: 'kurtosis', column: 'amount', empty },
  { of: 'decayedSum', column: 'amount', halfLifeMs: 1_000 },
  { of: 'ratio', column: 'fee', over: 'amount', empty },
  { of: 'countWhere', column: 'refund' },
  { of: 'share', column: 'refund', empty },
  { of: 'first', column: 'amount', cell: 'number', empty },
  { of: 'last', column: 'amount', cell: 'number', empty },
  { of: 'distinct', column: 'shop' },
  { of: 'quantile', column: 'amount', q: 0.5, empty },
  { of: 'quantile', column: 'amount', q: 0.99, empty },
  { of: 'previous', column: 'amount', n: 1, cell: 'number', empty },
  { of: 'previous', column: 'amount', n: 100, cell: 'number', empty },
  { of: 'delta', column: 'amount', empty },
]

/** Random numbers in [0, 1), the same in each run. */
function random(): () => number {
  let seed = 1
  return () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 2 ** 32
  }
}

/** Half of the shops are drawn from nine, the others from as many as the window has events. */
function payments(count: number, size: number, inOrder: boolean): Payment[] {
  const next = random()
  return Array.from({ length: count }, (_, i) => {
    const behind = inOrder || i % ONE_IN !== 0 ? 0 : Math.floor(next() * size * BEHIND)
    const amount = Math.floor(next() * 100_000) / 100
    const shop = `shop ${Math.floor(next() * (next() < 0.5 ? 9 : size))}`
    const timeMs = (size + i - behind) * STEP_MS
    return { timeMs, amount, fee: amount * 0.015 + 0.25, shop, refund: next() < 0.1 }
  })
}

/** How a window is taken: `before`: without the event itself; `where`: of refunds only. */
type Taken = 'whole' | 'before' | 'where'

/** µs of CPU an event. */
function cost(
  [aggregate, taken]: readonly [Aggregate, Taken],
  size: number,
  inOrder: boolean,
): number {
  const columns = new EventColumns(COLUMNS, [aggregate], { precision: 'float64', hash: HASH })
  const history = new Histories(columns.layout).begin(0)
  const lengthMs = size * STEP_MS
  const walk = new WindowWalk([{ lengthMs, aggregate, feature: 0 }], columns)
  const row = new Float64Array(1)
  const isBefore = taken === 'before'
  walk.own = columns.numbers
  const all = payments(size + TIMED * 2, size, inOrder)
  let newestMs = 0
  const take = (payment: Payment, asks: boolean): void => {
    const { timeMs } = payment
    newestMs = Math.max(newestMs, timeMs)
    // Keeps what the window of an event that is behind can still contain.
    const floorMs = newestMs - lengthMs * (inOrder ? 1 : 1 + BEHIND)
    history.prune(floorMs)
    columns.read([payment], 0)
    if (isBefore && asks) walk.write(history, timeMs, floorMs, row)
    if (taken !== 'where' || payment.refund) history.insert(timeMs, columns.hold())
    if (!isBefore && asks) walk.write(history, timeMs, floorMs, row)
  }
  for (let i = 0; i < size; i++) take(all[i] as Payment, false)
  for (let i = size; i < size + TIMED; i++) take(all[i] as Payment, true)
  return timed(all.slice(size + TIMED), (payment) => take(payment, true))
}

function timed(all: readonly Payment[], take: (payment: Payment) => void): number {
  const before = process.cpuUsage()
  for (const payment of all) take(payment)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / all.length
}

function nameOf([aggregate, taken]: readonly [Aggregate, Taken]): string {
  if (aggregate.of === 'previous') return `previous ${aggregate.n}`
  if (aggregate.of === 'delta') return 'delta'
  const name = aggregate.of === 'quantile' ? `quantile ${aggregate.q}` : aggregate.of
  return taken === 'whole' ? name : `${name}, ${taken}`
}

/** Words of the event itself, which no window makes dearer. */
const codes = new Map(['shop 0', 'shop 1', 'shop 2'].map((shop, code) => [shop, code]))
const WORDS: Readonly<Record<string, (payment: Payment) => number>> = {
  code: ({ shop }) => codes.get(shop) ?? -1,
  hourOfDay: ({ timeMs }) => hourOfDay(timeMs, millis(3_600_000)),
  dayOfWeek: ({ timeMs }) => dayOfWeek(timeMs, millis(3_600_000)),
}

function costOfWord(of: (payment: Payment) => number): number {
  const all = payments(2 * TIMED, 1, true)
  let sum = 0
  const take = (payment: Payment): void => {
    sum += of(payment)
  }
  timed(all.slice(0, TIMED), take)
  const perEvent = timed(all.slice(TIMED), take)
  return Number.isNaN(sum) ? sum : perEvent
}

const orders = [true, false]
const headings = orders.flatMap((o) => SIZES.map((n) => `${n}${o ? '' : ', out of order'}`))
console.log(`| µs an event | ${headings.join(' | ')} |`)
console.log(`| --- | ${headings.map(() => '---:').join(' | ')} |`)
const BEFORE = ['previous', 'delta']
const NARROWED = ['count', 'sum', 'distinct']
const all = [
  ...AGGREGATES.map((one) => [one, BEFORE.includes(one.of) ? 'before' : 'whole'] as const),
  ...(['before', 'where'] as const).flatMap((taken) =>
    AGGREGATES.filter(({ of }) => NARROWED.includes(of)).map((one) => [one, taken] as const),
  ),
]
for (const one of all) {
  const costs = orders.flatMap((o) => SIZES.map((size) => figure(cost(one, size, o), 2)))
  console.log(`| ${nameOf(one)} | ${costs.join(' | ')} |`)
}
for (const [name, of] of Object.entries(WORDS)) {
  const costs = headings.map(() => figure(costOfWord(of), 2))
  console.log(`| ${name} | ${costs.join(' | ')} |`)
}
console.log(machine())
