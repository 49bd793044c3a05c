import * as fc from 'fast-check'
import { Partitioners } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { murmur2, partitionOfKey } from '../../src/kernel/kafka.ts'

describe('partitioner', () => {
  // From Kafka's own UtilsTest.testMurmur2.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %s is what Java computes', (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash)
  })

  test('any key goes where another implementation of the same rule sends it', () => {
    const other = Partitioners.DefaultPartitioner()
    const partition = { partitionErrorCode: 0, leader: 0, replicas: [], isr: [] }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 64 }), (key, n) => {
        const partitionMetadata = Array.from({ length: n }, (_, i) => ({
          ...partition,
          partitionId: i,
        }))
        const message = { key: Buffer.from(key), value: null }
        const theirs = other({ topic: 't', partitionMetadata, message })
        expect(partitionOf({ partition: null, key: Buffer.from(key) }, n)).toBe(theirs)
      }),
    )
  })

  test('crc32 is the one that zlib and librdkafka compute', () => {
    expect(partitionOfKey(Buffer.from('123456789'), 2 ** 32, 'crc32')).toBe(0xcbf43926)
    expect(partitionOfKey(Buffer.from('123456789'), 6, 'crc32')).toBe(0xcbf43926 % 6)
  })

  test('a record without a key goes to partition 0, a given partition wins and wraps around', () => {
    expect(partitionOf({ partition: null, key: null }, 6)).toBe(0)
    expect(partitionOf({ partition: 8, key: Buffer.from('21') }, 6)).toBe(2)
  })
})
