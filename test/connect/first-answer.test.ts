import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { firstAnswer } from '../../src/connect/kafka/client/waiting.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'

const away = (who: string) => new TidemarkError('BROKER_UNAVAILABLE', `${who} is away`)

/** Each broker answers with its name after a while, fails, or hangs. */
function brokers(behaviour: Readonly<Record<string, number | Error | 'hangs'>>) {
  const asked: string[] = []
  const ask = (name: string) => {
    asked.push(name)
    const does = behaviour[name] as number | Error | 'hangs'
    if (does instanceof Error) return Promise.reject(does)
    return new Promise<string>((resolve) => {
      if (does !== 'hangs') setTimeout(() => resolve(name), does)
    })
  }
  return { asked, answer: firstAnswer(Object.keys(behaviour), ask, wallClock) }
}

describe('of several brokers that can tell', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('only the first is asked when it answers soon', async () => {
    const { asked, answer } = brokers({ a: 999, b: 0 })
    await vi.advanceTimersByTimeAsync(999)
    expect(await answer).toBe('a')
    expect(asked).toEqual(['a'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('the next is asked a second later, and whoever answers first counts', async () => {
    const slow = brokers({ a: 'hangs', b: 'hangs', c: 10, d: 0 })
    await vi.advanceTimersByTimeAsync(2_010)
    expect(await slow.answer).toBe('c')
    expect(slow.asked).toEqual(['a', 'b', 'c'])
    const late = brokers({ a: 1_010, b: 500 })
    await vi.advanceTimersByTimeAsync(1_010)
    expect(await late.answer).toBe('a')
    await vi.advanceTimersByTimeAsync(490)
  })

  test('the next is asked at once when one is away', async () => {
    const { answer } = brokers({ a: away('a'), b: away('b'), c: 0 })
    await vi.advanceTimersByTimeAsync(0)
    expect(await answer).toBe('c')
  })

  test('what the first failed with is told when all are away', async () => {
    const { answer } = brokers({ a: away('a'), b: away('b') })
    await expect(answer).rejects.toThrow('a is away')
  })

  describe('one that refuses', () => {
    const refused = new TidemarkError('AUTHENTICATION', 'wrong password')

    test('holds up none that answers', async () => {
      const { answer } = brokers({ a: refused, b: 900 })
      await vi.advanceTimersByTimeAsync(900)
      expect(await answer).toBe('b')
      expect(vi.getTimerCount()).toBe(0)
    })

    test('is told at once when no other answers, rather than who is away', async () => {
      const { answer } = brokers({ a: away('a'), b: refused, c: away('c') })
      await expect(answer).rejects.toThrow('wrong password')
      expect(vi.getTimerCount()).toBe(0)
    })

    test('is told after a second when others hang', async () => {
      const told = brokers({ a: 'hangs', b: refused }).answer.catch((error: unknown) => error)
      await vi.advanceTimersByTimeAsync(2_000)
      expect(await told).toBe(refused)
      expect(vi.getTimerCount()).toBe(0)
    })
  })
})
