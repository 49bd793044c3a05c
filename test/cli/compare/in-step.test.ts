import { describe, expect, test } from 'vitest'
import { inStep } from '../../../src/cli/compare/in-step.ts'
import { ListedRecords } from '../../../src/records/log-records.ts'
import type { Chunk } from '../../../src/records/port.ts'

/** Chunks whose last records have these timestamps. */
async function* chunksAt(...timestamps: readonly number[]): AsyncGenerator<Chunk> {
  for (const timestampMs of timestamps) {
    const record = { offset: 0, timestampMs, key: null, value: null, headers: [] }
    const records = new ListedRecords([record])
    yield { topic: 't', partition: 0, epoch: 0, records, nextOffset: 1, endOffset: 1 }
  }
}

async function orderOf(main: AsyncIterable<Chunk>, other: AsyncIterable<Chunk>) {
  const order: string[] = []
  for await (const { side, chunk } of inStep({ main, other })) {
    order.push(`${side} ${chunk.records.timestampMsAt(0)}`)
  }
  return order
}

describe('two topics', () => {
  test('are read such that the one further behind goes on', async () => {
    expect(await orderOf(chunksAt(10, 20, 30, 40), chunksAt(25, 35))).toEqual([
      'main 10',
      'other 25',
      'main 20',
      'main 30',
      'other 35',
      'main 40',
    ])
  })

  test('are read to their ends, also if one is empty', async () => {
    expect(await orderOf(chunksAt(), chunksAt(1, 2))).toEqual(['other 1', 'other 2'])
    expect(await orderOf(chunksAt(5), chunksAt(1, 2))).toEqual(['main 5', 'other 1', 'other 2'])
  })

  test('fail with what one of them fails with', async () => {
    // oxlint-disable-next-line require-yield -- it fails at once
    async function* broken(): AsyncGenerator<Chunk> {
      throw new Error('gone')
    }
    await expect(orderOf(chunksAt(1, 2), broken())).rejects.toThrow('gone')
  })
})
