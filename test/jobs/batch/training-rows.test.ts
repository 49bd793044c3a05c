import { defineTopology, rule, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { TrainingRows } from '../../../src/jobs/batch/training-rows.ts'

const risk = rule({ outputs: ['risk'] }, (f: { late: number; amount: number }) => ({
  risk: f.late + f.amount,
}))

test('what would be two columns of one name is refused, all at once', () => {
  const topology = defineTopology('orders', (t) =>
    t
      .source('orders', {
        schema: z.object({ shop: z.string(), amount: z.number(), at: z.number() }),
        key: (o) => o.shop,
        eventTimeMs: (o) => o.at,
        watermark: { lag: seconds(1) },
        onLate: 'drop',
      })
      .features((f) => {
        const all = f.events({ amount: (o) => o.amount })
        return { late: all.value('amount'), amount: all.value('amount') }
      })
      .score({ models: { risk }, otherwise: 'risk' })
      .map((s) => ({ risk: s.score.risk }))
      .sink('risks'),
  )
  const rows = () => new TrainingRows(topology, ['shop', 'amount', 'key'])
  expect(rows).toThrow(
    expect.objectContaining({
      faults: [
        expect.objectContaining({
          where: '--with',
          message: 'rows have a column "amount" already',
        }),
        expect.objectContaining({ where: '--with', message: 'rows have a column "key" already' }),
        expect.objectContaining({ message: 'rows have a column "late" already' }),
      ],
    }),
  )
})
