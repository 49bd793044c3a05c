import { ByteRoom } from '../kernel/bytes.ts'

// A pool of memory for outputs. Outputs that wait for a commit live just long enough to reach the
// old generation; without the pool, the garbage collector would mark the whole heap for every 64 MB
// of them.

/** Size of a pooled room, bytes. */
export const ROOM_BYTES = 2 ** 16
/** How many rooms are pooled: 16 MB. */
const MOST_SPARE = 256

const spare: ByteRoom[] = []

/** Returns a room of at least `bytes` bytes, from the pool if it has {@link ROOM_BYTES}. */
export function roomOf(bytes: number): ByteRoom {
  return (bytes === ROOM_BYTES ? spare.pop() : undefined) ?? new ByteRoom(bytes)
}

/**
 * Returns a room to the pool. It must not be read or written through the old reference afterwards.
 */
export function giveBack(room: ByteRoom): void {
  room.clear()
  // A room that has grown has another size.
  if (room.bytes.length === ROOM_BYTES && spare.length < MOST_SPARE) spare.push(room)
}
