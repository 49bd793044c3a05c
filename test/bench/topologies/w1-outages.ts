// W1 with a look-up in Redis that keeps nothing, waits 20 ms, and writes back what it computes.
import { stored } from './stored.ts'

export default stored(0, 1, {
  deadlineMs: 20,
  onMiss: async (card) => ({ spend30d: Number(card.slice(2)), count7d: 1 }),
  writeBackMs: 10_000,
})
