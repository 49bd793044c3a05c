// w1-outages that waits 500 ms, for a machine with much other work.
import outages from './w1-outages.ts'

const stores = outages.stores.map((store) => ({ ...store, deadlineMs: 500 }))

export default { ...outages, stores }
