import { registry } from 'tidemark'
import { Payment } from '../../../topologies/payment.ts'
import w1 from './w1.ts'

// W1, whose payments have their schemas in a registry.

const { format } = registry(Payment)

export default { ...w1, source: { ...w1.source, format } }
