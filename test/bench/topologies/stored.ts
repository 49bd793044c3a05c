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

/** W1 with a look-up of each card in Redis, which is carried beside the model. */
export function stored(
  freshMs: number,
  maxEntries: number,
  more: Partial<StoreDefinition> = {},
): Definition {
  const [features] = w1.then as [FeaturesStep]
  const [score] = features.then as [ScoreStep]
  const lookup: FeatureDefinition = {
    ...({ name: 'spend30d', kind: 0, from: 'lookup', table: 'cards' } as const),
    key: (p: unknown) => (p as { cardId: string }).cardId,
    of: (row: unknown) => (row as { spend30d: number }).spend30d,
  }
  return {
    ...w1,
    stores: [
      {
        name: 'cards',
        schema: z.object({ spend30d: z.number(), count7d: z.number() }),
        from: redis({ key: (card) => `card:${card}` }),
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
