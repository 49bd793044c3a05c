import type { Definition } from '../topology/definition.ts'
import { readFunction } from '../topology/function-reading.ts'
import { authorFunctions } from './author-functions.ts'

/** How a function of an author's is run for events. */
export interface FunctionReading {
  /** `payments.key`, `map`, `features.amount`: the first place that has it. */
  readonly where: string
  /** Its step; `null`: the source's. */
  readonly step: string | null
  /**
   * `compiled`: its source tells wholly what it gives, so that it is never called; `called`: for
   * each event, made into an object for it.
   */
  readonly what: 'compiled' | 'called'
  /** Of one that is called: "it calls toFixed". */
  readonly why?: string
}

/**
 * How each function of a topology is run that takes events, once each. No part of a {@link describe
 * | description}: that is hashed, and how a function is run changes no answer.
 */
export function functionReadings(definition: Definition): FunctionReading[] {
  return authorFunctions(definition)
    .filter(({ takes }) => takes === 'event')
    .map(({ where, step, of }) => {
      const reading = readFunction(of)
      if ('why' in reading) return { where, step, what: 'called', why: reading.why }
      return { where, step, what: 'compiled' }
    })
}
