// W1 with a look-up of each merchant in Redis of which nine of ten find their row in memory.
import { stored } from './stored.ts'

export default stored(600_000, 900, { by: 'merchantId' })
