import flightDelay from '../../../topologies/flight-delay.ts'
import { withFeatures } from '../with-features.ts'

export default withFeatures(flightDelay)
