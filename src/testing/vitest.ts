// `import 'tidemark/testing/vitest'` in a test or a setup file: vitest's expect knows the driver's
// matchers.

import { expect } from 'vitest'
import { type DriverMatchers, matchers } from './index.ts'

declare module 'vitest' {
  // oxlint-disable-next-line typescript/no-explicit-any -- must be declared as vitest does
  interface Matchers<T = any> extends DriverMatchers<T> {}
}

expect.extend(matchers)
