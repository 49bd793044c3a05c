// Keys of eight printable characters that have one hash under MurmurHash3 with seed 0: the second
// word undoes what the first one did to the state.

export function keysOfOneHash(count: number): string[] {
  const target = mixed(mixed(0, 0x61616161), 0x62626262)
  const before = rotatedRight(Math.imul(target - 0xe6546b64, inverse(5)), 13)
  const keys: string[] = []
  const key = Buffer.alloc(8)
  for (let i = 0; keys.length < count; i++) {
    for (let at = 0, left = i; at < 4; at++, left = Math.floor(left / 74))
      key[at] = 48 + (left % 74)
    key.writeInt32LE(unscrambled(before ^ mixed(0, key.readInt32LE(0))), 4)
    if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) keys.push(key.toString('latin1'))
  }
  return keys
}

function mixed(state: number, word: number): number {
  const scrambled = Math.imul(rotatedRight(Math.imul(word, 0xcc9e2d51), 17), 0x1b873593)
  return (Math.imul(rotatedRight(state ^ scrambled, 19), 5) + 0xe6546b64) | 0
}

function unscrambled(word: number): number {
  const rotated = rotatedRight(Math.imul(word, inverse(0x1b873593)), 15)
  return Math.imul(rotated, inverse(0xcc9e2d51))
}

function rotatedRight(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits))
}

/** Of an odd number modulo 2^32, by Newton's method. */
function inverse(odd: number): number {
  let found = odd
  for (let i = 0; i < 5; i++) found = Math.imul(found, 2 - Math.imul(odd, found))
  return found
}
