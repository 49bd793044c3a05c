import type { TopicPartition } from '../port.ts'

// What a member tells whoever deals the partitions out: what it has, and under which generation of the group. It travels in
// the subscription's user data: a format byte, the generation (int32), then for each topic the length of its name (uint16),
// the name, the length of a bitmap (uint16), and the bitmap: the lowest bit of its first byte is partition 0.

export interface Claims {
  readonly generation: number
  readonly owned: readonly TopicPartition[]
}

const NOTHING: Claims = { generation: -1, owned: [] }
const FORMAT = 1

export function encodeClaims({ generation, owned }: Claims): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(FORMAT)
  head.writeInt32BE(generation, 1)
  const parts: Buffer[] = [head]
  for (const topic of new Set(owned.map((p) => p.topic))) {
    const partitions = owned.filter((p) => p.topic === topic).map((p) => p.partition)
    const bits = Buffer.alloc(Math.floor(Math.max(...partitions) / 8) + 1)
    for (const p of partitions) bits[p >> 3] = (bits[p >> 3] ?? 0) | (1 << (p & 7))
    parts.push(withLength(Buffer.from(topic)), withLength(bits))
  }
  return Buffer.concat(parts)
}

/** Of another format, or no claims at all: nothing is owned. */
export function decodeClaims(data: Buffer | null): Claims {
  if (data === null || data.length < 5 || data[0] !== FORMAT) return NOTHING
  const owned: TopicPartition[] = []
  let at = 5
  const next = () => {
    const start = at + 2
    at = start + data.readUInt16BE(at)
    if (at > data.length) throw new RangeError('the claims are cut off')
    return data.subarray(start, at)
  }
  try {
    while (at < data.length) {
      const topic = next().toString()
      for (const [byte, bits] of next().entries()) {
        for (let bit = 0; bit < 8; bit++) {
          if ((bits & (1 << bit)) !== 0) owned.push({ topic, partition: byte * 8 + bit })
        }
      }
    }
  } catch {
    return NOTHING
  }
  return { generation: data.readInt32BE(1), owned }
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
