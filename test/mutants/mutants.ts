import { ANSWERS } from './answers.ts'
import { BATCHES } from './batches.ts'
import { COMMITS } from './commits.ts'
import { DRIVING } from './driving.ts'
import type { Mutant } from './mutant.ts'
import { REQUESTS } from './requests.ts'
import { ROUTES } from './routes.ts'
import { STORES } from './stores.ts'
import { TREES } from './trees.ts'
import { VERDICTS } from './verdicts.ts'
import { WINDOWS } from './windows.ts'

export const MUTANTS: readonly Mutant[] = [
  ...DRIVING,
  ...BATCHES,
  ...COMMITS,
  ...WINDOWS,
  ...ANSWERS,
  ...TREES,
  ...ROUTES,
  ...REQUESTS,
  ...STORES,
  ...VERDICTS,
]
