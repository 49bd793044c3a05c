import w1 from '../../bench/topologies/w1.ts'
import { withFeatures } from '../with-features.ts'

export default withFeatures(w1)
