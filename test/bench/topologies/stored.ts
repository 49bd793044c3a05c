import { redis } from 'tidemark'
import { z } from 'zod'
import type {
  Definition,
  FeatureDefinition,
  FeaturesStep,
  ScoreStep,
  StoreDefinition,
} from '../../../src/topology/definition.ts'
import w1 from './w1.ts'

/** W1 with a look-up in Redis, of each card or merchant, which is carried beside the model. */
export function stored(
  freshMs: number,
  maxEntries: number,
  { by = 'cardId', ...more }: Partial<StoreDefinition> & { by?: 'cardId' | 'merchantId' } = {},
): Definition {
  const [features] = w1.then as [FeaturesStep]
  const [score] = features.then as [ScoreStep]
  const lookup: FeatureDefinition = {
    ...({ name: 'spend30d', kind: 0, from: 'lookup', table: 'cards' } as const),
    key:
      by === 'cardId'
        ? (p: unknown) => (p as { cardId: string }).cardId
        : (p: unknown) => (p as { merchantId: string }).merchantId,
    of: (row: unknown) => (row as { spend30d: number }).spend30d,
  }
  return {
    ...w1,
    stores: [
      {
        name: 'cards',
        schema: z.object({ spend30d: z.number(), count7d: z.number() }),
        from: redis({ key: (id) => `row:${id}` }),
        ...{ freshMs, staleMs: 0, maxEntries, deadlineMs: 1_000, at: null },
        ...{ maxAgeMs: Number.POSITIVE_INFINITY, onMiss: null, writeBackMs: null },
        fallback: { spend30d: 0, count7d: 0 },
        ...more,
      },
    ],
    then: [
      {
        ...features,
        features: [...features.features, lookup],
        then: [{ ...score, carry: ['spend30d'] }],
      },
    ],
  }
}
