import type { Code } from '../kernel/errors.ts'
import type { Outcomes } from '../runtime/events.ts'
import { NO_OUTCOMES } from '../runtime/output/outcomes.ts'
import type { DeadLetter } from './records.ts'
import { TopologyDriver } from './topology-driver.ts'

// Imported by tests of a topology, which run it as in production, without a broker. The
// matchers are for the `expect` of vitest and jest, which agree in everything used here; neither is
// imported.

export type { DrivenStore } from './driven-store.ts'
export type { ModelFunction } from './driven-worker.ts'
export { type DeadLetter, deduplicate, type Input, type Output } from './records.ts'
export { type DriverOptions, TopologyDriver } from './topology-driver.ts'

/** Some of an object's fields, each given exactly, in part, or as an asymmetric matcher. */
type DeepPartial<T> = T extends object ? { readonly [K in keyof T]?: DeepPartial<T[K]> } : T

/** The assertions that `expect(driver)` has. */
export interface DriverMatchers<T> {
  /** Asserts that an output was written to the topic, whose value contains these fields. */
  toHaveOutput: T extends TopologyDriver<infer Out>
    ? <K extends keyof Out & string>(topic: K, value?: DeepPartial<Out[K]>) => void
    : never
  /**
   * Asserts that a record was set aside for this reason, and that its dead letter contains these
   * fields.
   */
  toHaveDeadLetter: (code: Code, deadLetter?: DeepPartial<DeadLetter>) => void
  /** Asserts the outcome counts of all records so far. Counts that are not given are 0. */
  toHaveOutcomes: (outcomes: Partial<Outcomes>) => void
}

interface Context {
  readonly isNot: boolean
  equals(a: unknown, b: unknown, testers?: unknown[]): boolean
  readonly utils: Readonly<Record<'iterableEquality' | 'subsetEquality', unknown>>
}

interface Verdict {
  readonly pass: boolean
  message(): string
}

type AnyDriver = TopologyDriver<Record<string, unknown>>

/**
 * Use as `expect.extend(matchers)`; for vitest, `import 'tidemark/testing/vitest'` does that and
 * adds the types.
 */
export const matchers = {
  toHaveOutput(this: Context, received: unknown, ...expected: [string, unknown?]): Verdict {
    const [topic, value] = expected
    const driver = driverOf(received, 'toHaveOutput')
    const values = driver.outputs(topic).map((output) => output.value)
    const matches = values.filter((v) => isPart(this, value, v))
    return verdict(this, matches.length > 0, () => [
      `an output in "${topic}"${withFields(value)}`,
      ...listed(`outputs in "${topic}"`, (this.isNot ? matches : values).map(textOf)),
      ...(this.isNot ? [] : besides(driver)),
    ])
  },

  toHaveDeadLetter(this: Context, received: unknown, ...expected: [Code, unknown?]): Verdict {
    const [code, part] = expected
    const driver = driverOf(received, 'toHaveDeadLetter')
    const letters = driver.deadLetters()
    const matches = letters.filter((letter) => letter.code === code && isPart(this, part, letter))
    return verdict(this, matches.length > 0, () => [
      `a dead letter ${code}${withFields(part)}`,
      ...(this.isNot ? listed('dead letters', matches.map(reasonOf)) : besides(driver)),
    ])
  },

  toHaveOutcomes(this: Context, received: unknown, outcomes: Partial<Outcomes>): Verdict {
    const driver = driverOf(received, 'toHaveOutcomes')
    const wanted = { ...NO_OUTCOMES, ...outcomes }
    return verdict(this, this.equals(driver.outcomes, wanted), () => [
      `outcomes ${countsOf(wanted)}`,
      ...besides(driver),
    ])
  },
}

function driverOf(received: unknown, matcher: string): AnyDriver {
  if (received instanceof TopologyDriver) return received as AnyDriver
  throw new TypeError(`${matcher} needs a TopologyDriver: expect(driver).${matcher}(…)`)
}

function isPart(context: Context, part: unknown, whole: unknown): boolean {
  if (part === undefined) return true
  const { iterableEquality, subsetEquality } = context.utils
  return context.equals(whole, part, [iterableEquality, subsetEquality])
}

function verdict({ isNot }: Context, pass: boolean, lines: () => string[]): Verdict {
  return { pass, message: () => `expected ${isNot ? 'not ' : ''}${lines().join('\n')}` }
}

function besides(driver: AnyDriver): string[] {
  const letters = driver.deadLetters().map(reasonOf)
  return [`outcomes: ${countsOf(driver.outcomes)}`, ...listed('dead letters', letters)]
}

const MOST = 10

function listed(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [`${title}: none`]
  const more = lines.length > MOST ? [`  and ${lines.length - MOST} more`] : []
  return [`${title}:`, ...lines.slice(0, MOST).map((line) => `  ${line}`), ...more]
}

function reasonOf({ code, step, message, source }: DeadLetter): string {
  return `${code} of step "${step}", record ${source.partition}@${source.offset}: ${message}`
}

function countsOf(outcomes: Outcomes): string {
  const counts = Object.entries(outcomes).filter(([, count]) => count !== 0)
  return counts.map(([name, count]) => `${count} ${name}`).join(', ') || 'none'
}

function withFields(part: unknown): string {
  return part === undefined ? '' : ` with ${textOf(part)}`
}

/** JSON on one line, as in the topic; an asymmetric matcher by its name. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, field: { toAsymmetricMatcher?(): string } | null) =>
    typeof field?.toAsymmetricMatcher === 'function' ? field.toAsymmetricMatcher() : field,
  )
}
