import { beforeEach, describe, expect, test } from 'vitest'
import type { Brokers } from '../../src/connect/kafka/client/brokers.ts'
import { fence } from '../../src/connect/kafka/produce/transactions.ts'
import { CODE, type Request } from '../../src/connect/kafka/wire/protocol.ts'
import { HandClock } from '../support/clocks.ts'
import { thrownBy } from '../support/thrown.ts'

// How a transactional id gets an identity, from a coordinator that is none.

const producer = { id: 7, epoch: 3 }

let clock: HandClock

beforeEach(() => {
  clock = new HandClock(0)
})

/**
 * A coordinator that answers with a code, given how long transactions are to be open and since when
 * it has been asked.
 */
function coordinator(codeOf: (openMs: number, sinceMs: number) => number) {
  const asked: number[] = []
  const askCoordinator = async (_: unknown, { body }: Request<unknown>) => {
    const bytes = Buffer.concat([...body])
    // No tagged fields, the id with its length before it, the time.
    const openMs = bytes.readInt32BE(1 + bytes.readUInt8(1))
    asked.push(openMs)
    return { code: codeOf(openMs, clock.elapsedMs()), producer }
  }
  return { asked, brokers: { clock, askCoordinator } as unknown as Brokers }
}

describe('a transactional id', () => {
  test('whose last transaction is still being ended is waited for', async () => {
    const { brokers } = coordinator((_, sinceMs) =>
      sinceMs < 3_000 ? CODE.CONCURRENT_TRANSACTIONS : CODE.NONE,
    )
    const fenced = fence(brokers, 'id')
    await clock.pass(3_100)
    expect(await fenced).toEqual({ producer, openMs: 10_000 })
  })

  test('whose last transaction is not ended in the time of one is told, and what is waited for', async () => {
    const { brokers } = coordinator(() => CODE.CONCURRENT_TRANSACTIONS)
    const failure = thrownBy(fence(brokers, 'id'))
    await clock.pass(10_100)
    expect(await failure).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: 'the last transaction of "id" is still not ended after 10 s',
      hint: 'its end is written to every partition that it wrote to: check that all of them have a leader',
    })
  })

  test('gets what the broker takes where transaction.max.timeout.ms is lower', async () => {
    const { asked, brokers } = coordinator((openMs) =>
      openMs > 6_000 ? CODE.INVALID_TRANSACTION_TIMEOUT : CODE.NONE,
    )
    expect(await fence(brokers, 'id', 40_000)).toEqual({ producer, openMs: 5_000 })
    expect(asked).toEqual([40_000, 20_000, 10_000, 5_000])
  })

  test('is refused where the broker takes no time at all', async () => {
    const { brokers } = coordinator(() => CODE.INVALID_TRANSACTION_TIMEOUT)
    expect(await thrownBy(fence(brokers, 'id'))).toMatchObject({ code: 'COMMIT_FAILED' })
  })
})
