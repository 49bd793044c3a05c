// W1 with a look-up in Redis that keeps nothing.
import { stored } from './stored.ts'

export default stored(0, 1)
