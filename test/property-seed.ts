import * as fc from 'fast-check'
import { inject } from 'vitest'
import { runs } from './support/runs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Seed of all properties. */
    seed: number
  }
}

fc.configureGlobal({ seed: inject('seed'), numRuns: runs(100) })
