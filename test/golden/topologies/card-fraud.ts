import cardFraud from '../../../topologies/card-fraud.ts'
import { withFeatures } from '../with-features.ts'

export default withFeatures(cardFraud)
