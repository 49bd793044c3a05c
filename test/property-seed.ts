import * as fc from 'fast-check'
import { inject } from 'vitest'
import { runs } from './support/runs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of all properties. */
    seed: number
  }
}

fc.configureGlobal({ seed: inject('seed'), numRuns: runs(100) })
