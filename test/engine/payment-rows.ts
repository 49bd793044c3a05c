import type { FeaturesStep } from '../../src/topology/definition.ts'
import topology from '../../topologies/card-fraud.ts'
import { engineRows } from './engine-rows.ts'

const START_MS = 1_767_225_600_000
const MINUTE_MS = 60_000

/**
 * The rows of 600 payments on a few cards over two days, in hexadecimal: the same however they are
 * made.
 */
export function paymentRows(): string[] {
  const events = Array.from({ length: 600 }, (_, n) => {
    const paidAt = START_MS + n * 5 * MINUTE_MS - (n % 13 === 0 ? MINUTE_MS : 0)
    const event = {
      ...{ paymentId: `p-${n}`, cardId: `c-${n % 4}`, merchantId: `m-${n % 7}`, country: 'CH' },
      ...{ category: `category ${n % 3}`, amount: ((n * 37) % 1_000) / 100, paidAt },
    }
    return { key: event.cardId, timeMs: paidAt, event }
  })
  const options = { lagMs: 2 * MINUTE_MS, onLate: 'dead-letter', lookup: () => new Map() } as const
  const step = topology.then[0] as FeaturesStep
  return engineRows({ step, options, events }, 100).map(({ row }) => {
    return row === null ? '' : Buffer.from(row.buffer).toString('hex')
  })
}
