import { describe, expect, test } from 'vitest'
import { type AccessToken, RenewedTokens } from '../../../src/connect/kafka/client/tokens.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { HandClock, longestWaits } from '../../support/clocks.ts'
import { thrownBy } from '../../support/thrown.ts'

const START_MS = 1_700_000_000_000
const LIFE_MS = 100_000
/** 75 to 80 % of the life, by chance; here the longest. */
const RENEWED_MS = 80_000
const WITHOUT_JITTER = () => 0

/** A provider whose tokens are called t1, t2, …, or that fails as told. */
class HandProvider {
  readonly clock = new HandClock(START_MS)
  readonly warnings: string[] = []
  calls = 0
  failure: Error | null = null
  lifeMs = LIFE_MS
  readonly tokens: RenewedTokens

  constructor(random = WITHOUT_JITTER) {
    const log = (warning: string) => this.warnings.push(warning)
    this.tokens = new RenewedTokens(async () => this.#provide(), { clock: this.clock, random, log })
  }

  async current(): Promise<string> {
    return (await this.tokens.current()).value
  }

  #provide(): AccessToken {
    this.calls++
    if (this.failure !== null) throw this.failure
    return { value: `t${this.calls}`, expiresAtMs: this.clock.nowMs() + this.lifeMs }
  }
}

describe('tokens', () => {
  test('all connections share one request, and the token that it brings', async () => {
    const provider = new HandProvider()
    const all = await Promise.all([provider.current(), provider.current(), provider.current()])
    expect(all).toEqual(['t1', 't1', 't1'])
    expect(await provider.current()).toBe('t1')
    expect(provider.calls).toBe(1)
  })

  test('nothing is requested before a connection needs it', async () => {
    const provider = new HandProvider()
    await provider.clock.pass(LIFE_MS)
    expect(provider.calls).toBe(0)
  })

  test('a token is renewed after 80 % of its life, without anyone asking', async () => {
    const provider = new HandProvider()
    await provider.current()
    await provider.clock.pass(RENEWED_MS - 1)
    expect(provider.calls).toBe(1)
    await provider.clock.pass(1)
    expect(provider.calls).toBe(2)
    expect(await provider.current()).toBe('t2')
  })

  test('workers that started together renew up to 5 % of its life sooner', async () => {
    const provider = new HandProvider(longestWaits)
    await provider.current()
    await provider.clock.pass(RENEWED_MS - 5_001)
    expect(provider.calls).toBe(1)
    await provider.clock.pass(2)
    expect(provider.calls).toBe(2)
  })

  test('a token that cannot be renewed is used until it runs out; then the reason is told', async () => {
    const provider = new HandProvider(longestWaits)
    await provider.current()
    provider.failure = new Error('no answer')
    await provider.clock.pass(LIFE_MS - 1)
    expect(await provider.current()).toBe('t1')
    expect(provider.warnings[0]).toBe(
      'there is no access token: no answer; the present token is valid for 25 s',
    )
    await provider.clock.pass(1)
    const error = await thrownBy(provider.tokens.current())
    expect([error.code, error.message]).toEqual([
      'BROKER_UNAVAILABLE',
      'there is no access token: no answer',
    ])
  })

  test('a provider that fails is asked at growing intervals, however often a token is needed', async () => {
    const provider = new HandProvider(longestWaits)
    provider.failure = new Error('no answer')
    const callsIn = async (ms: number) => {
      const before = provider.calls
      for (let left = ms; left > 0; left -= 100) {
        await thrownBy(provider.tokens.current())
        await provider.clock.pass(100)
      }
      return provider.calls - before
    }
    // At 0, 0.5, 1.5, 3.5, 7.5 s; then every 10 s.
    expect(await callsIn(10_000)).toBe(5)
    expect(await callsIn(100_000)).toBe(10)
  })

  test('a provider that answers again is heard without anyone asking', async () => {
    const provider = new HandProvider()
    provider.failure = new Error('no answer')
    await thrownBy(provider.tokens.current())
    provider.failure = null
    await provider.clock.pass(500)
    expect(provider.calls).toBe(2)
    expect(await provider.current()).toBe('t2')
  })

  test('a client that is refused is told as such', async () => {
    const provider = new HandProvider()
    provider.failure = new TidemarkError('AUTHENTICATION', 'who?')
    expect((await thrownBy(provider.tokens.current())).code).toBe('AUTHENTICATION')
  })

  test('a token that a broker no longer accepts is replaced at once, one that came since is kept', async () => {
    const provider = new HandProvider()
    const first = await provider.tokens.current()
    provider.tokens.drop(first)
    expect(await provider.current()).toBe('t2')
    provider.tokens.drop(first)
    expect(await provider.current()).toBe('t2')
  })

  test('a token whose time has passed while the process stood still is not used', async () => {
    const provider = new HandProvider()
    await provider.current()
    const elapsed = provider.clock.elapsedMs.bind(provider.clock)
    provider.clock.elapsedMs = () => elapsed() + LIFE_MS
    expect(await provider.current()).toBe('t2')
  })

  test('a token that has run out already is none', async () => {
    const provider = new HandProvider()
    provider.lifeMs = -1_000
    const { code, message } = await thrownBy(provider.tokens.current())
    expect([code, message]).toEqual([
      'BROKER_UNAVAILABLE',
      'the new access token ran out 1000 ms ago: compare the clocks',
    ])
  })

  test('a provider that does not answer within 10 s has failed', async () => {
    const clock = new HandClock(START_MS)
    const context = { clock, random: WITHOUT_JITTER, log: () => {} }
    const tokens = new RenewedTokens(() => new Promise(() => {}), context)
    const failed = thrownBy(tokens.current())
    await clock.pass(10_000)
    const { code, message } = await failed
    expect([code, message]).toEqual([
      'BROKER_UNAVAILABLE',
      'getting an access token took longer than 10000 ms',
    ])
  })

  test.each([
    ['nothing', undefined],
    ['no text', { value: 7, expiresAtMs: START_MS + LIFE_MS }],
    ['a text that no header can hold', { value: 'a b', expiresAtMs: START_MS + LIFE_MS }],
    ['no time', { value: 'token' }],
    ['a Date', { value: 'token', expiresAtMs: new Date(START_MS + LIFE_MS) }],
  ])('a function that returns %s is refused', async (_, returned) => {
    const context = { clock: new HandClock(START_MS), random: WITHOUT_JITTER, log: () => {} }
    const tokens = new RenewedTokens(async () => returned as unknown as AccessToken, context)
    const { code, hint } = await thrownBy(tokens.current())
    expect(code).toBe('CONFIG_INVALID')
    expect(hint).toContain('{ value, expiresAtMs }')
  })

  test('after closing nothing is renewed, and what is under way is aborted', async () => {
    const provider = new HandProvider()
    await provider.current()
    provider.tokens.close()
    await provider.clock.pass(LIFE_MS)
    expect(provider.calls).toBe(1)

    let isAborted = false
    const context = { clock: new HandClock(START_MS), random: WITHOUT_JITTER, log: () => {} }
    const waiting = new RenewedTokens((signal) => {
      signal.addEventListener('abort', () => (isAborted = true))
      return new Promise(() => {})
    }, context)
    void waiting.current().catch(() => {})
    waiting.close()
    expect(isAborted).toBe(true)
  })
})
