import w1 from '../../bench/topologies/w1.ts'
import { withFeatures } from '../with-features.ts'

const { then, ...rest } = withFeatures(w1)
const by = (payment: unknown) => (payment as { paymentId: string }).paymentId
const dedupe = { op: 'dedupe', name: 'dedupe', by, withinMs: 600_000, then } as const

export default { ...rest, then: [dedupe] }
