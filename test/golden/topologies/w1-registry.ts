import w1Registry from '../../bench/topologies/w1-registry.ts'
import { withFeatures } from '../with-features.ts'

export default withFeatures(w1Registry)
