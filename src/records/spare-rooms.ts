import { ByteRoom } from '../kernel/byte-room.ts'

// Memory for outputs that is used again. What waits for a commit lives just long enough to become
// old to the collector, which would mark all that there is whenever 64 MB of it have gone.

/** Of those that are kept. */
export const ROOM_BYTES = 2 ** 16
/** So many are kept: 16 MB. */
const MOST_SPARE = 256

const spare: ByteRoom[] = []

export function roomOf(bytes: number): ByteRoom {
  return (bytes === ROOM_BYTES ? spare.pop() : undefined) ?? new ByteRoom(bytes)
}

/** Whoever wrote into a room writes no more, and nobody reads what is there. */
export function giveBack(room: ByteRoom): void {
  room.clear()
  // One that has grown is of another size.
  if (room.bytes.length === ROOM_BYTES && spare.length < MOST_SPARE) spare.push(room)
}
