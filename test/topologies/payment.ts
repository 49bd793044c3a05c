import type { DurationMs } from 'tidemark'
import type { z } from 'zod'
import type { Payment } from '../../topologies/payment.ts'

export const NOON = Date.UTC(2026, 0, 1, 12)

/** A payment of card-1, so long after noon. */
export function payment(after: DurationMs, fields: Partial<z.infer<typeof Payment>> = {}) {
  return {
    paymentId: `p-${after / 1_000}`,
    cardId: 'card-1',
    merchantId: 'm-1',
    category: 'food',
    country: 'DE',
    amount: 10,
    paidAt: NOON + after,
    ...fields,
  }
}
