import type { Clock } from '../../kernel/clock.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { causesOf } from './errors.ts'

// Tells whether a client logs in where it need not, or does not where it must. A listener without
// SASL answers a login with ILLEGAL_SASL_STATE; one with SASL tells its API versions to anybody, and
// ends the connection at any other request. An outage may look like the latter, so that all brokers
// must have answered so, several times.

const ROUNDS = 3
/** Brokers that restart show it for less than this, times the rounds. */
const BETWEEN_MS = 1_000

const MISTAKES = {
  missing: {
    what: 'the connection ends at the first request of a client that does not log in',
    hint: 'set the SASL mechanism, user name and password (--sasl-mechanism, …), or use the port of a listener without SASL',
  },
  unwanted: {
    what: 'there is no login here: the listener is one without SASL',
    hint: 'leave out the SASL settings, or use the port of the listener with SASL',
  },
} as const

/** How a broker shows such a mistake. */
export type LoginMistake = keyof typeof MISTAKES

/** How far a client has come with a broker. */
export interface FirstSteps {
  /** Whether the client logs in. */
  readonly logsIn: boolean
  /** Whether the broker has told its API versions. */
  readonly isMet: boolean
}

/** The mistake that an error shows; `null`: none. */
export function mistakeShownBy(error: unknown, { logsIn, isMet }: FirstSteps): LoginMistake | null {
  const chain = causesOf(error)
  if (logsIn) return chain.some(({ type }) => type === 'ILLEGAL_SASL_STATE') ? 'unwanted' : null
  const hasEnded = ({ message = '' }: { message?: string }) =>
    /Closed connection|it has ended/.test(message)
  return isMet && chain.some(hasEnded) ? 'missing' : null
}

/**
 * Asks all bootstrap brokers several times.
 * @param ask connects to one broker, and tells the mistake that it shows
 * @returns `AUTHENTICATION` if all show the same each time; `null`: it may be an outage
 */
export async function loginMistake(
  brokers: readonly string[],
  ask: (broker: string) => Promise<LoginMistake | null>,
  clock: Clock,
): Promise<TidemarkError | null> {
  const shown = new Set<LoginMistake | null>()
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) await clock.sleep(BETWEEN_MS)
    for (const mistake of await Promise.all(brokers.map(ask))) shown.add(mistake)
    if (shown.size > 1 || shown.has(null)) return null
  }
  const [only] = shown
  if (only == null) return null
  const { what, hint } = MISTAKES[only]
  return new TidemarkError('AUTHENTICATION', what, { where: brokers.join(), hint })
}
