import type { Definition } from '../topology/definition.ts'
import { readFunction } from '../topology/function-reading.ts'
import { authorFunctions } from './author-functions.ts'

/** How an author's function is run on events. */
export interface FunctionReading {
  /** The first place where the topology uses it: `payments.key`, `map`, `features.amount`. */
  readonly where: string
  /** Its step; `null`: it belongs to the source. */
  readonly step: string | null
  /**
   * `compiled`: its source text determines its result completely, so it is never called; `called`:
   * it is called for each event, which is made into an object for it.
   */
  readonly what: 'compiled' | 'called'
  /** Why it is called, such as "it calls toFixed". */
  readonly why?: string
}

/**
 * How each function of a topology that takes events is run, once each. Not part of a {@link
 * describe | description}: that is hashed, and how a function is run does not change its result.
 */
export function functionReadings(definition: Definition): FunctionReading[] {
  return authorFunctions(definition)
    .filter(({ argument }) => argument === 'event')
    .map(({ where, step, of }) => {
      const reading = readFunction(of)
      if ('why' in reading) return { where, step, what: 'called', why: reading.why }
      return { where, step, what: 'compiled' }
    })
}
