// The model of W1 on rows of a store, for each payment of another key, and without windows.
import type { FeatureDefinition, FeaturesStep } from '../../../src/topology/definition.ts'
import { stored } from './stored.ts'

const onMiss = async () => ({ spend30d: 1, count7d: 1 })
const definition = stored(600_000, 50_000, { deadlineMs: 100, onMiss })
const [features] = definition.then as [FeaturesStep]
const lookup = features.features.at(-1) as FeatureDefinition
const key = (p: unknown) => (p as { paymentId: string }).paymentId
const rows = features.features.map(({ name }) => ({ ...lookup, name, key }))

export default { ...definition, then: [{ ...features, features: rows }] }
