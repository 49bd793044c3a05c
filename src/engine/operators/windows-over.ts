import type { Step, TumblingStep } from '../../topology/definition.ts'
import type { FunctionPlace, ReportFault, StepPlace } from './rule.ts'

// Checks that are shared by the two steps with windows.

/** Reports a fault of a field or a feature. */
export type ReportFieldFault = (what: string, o?: Parameters<ReportFault>[2]) => void

/** Reports a window length that is not a whole number of ms above 0. */
export function checkLength(lengthMs: number, tell: ReportFieldFault): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

/** Reports windows over scores: they are refused rather than silently kept over something else. */
export function checkPlace({ name }: Step, { isScored }: StepPlace, report: ReportFault): void {
  if (isScored) notSupported(name, 'windows over scores', { of: 'the scores', report })
}

/** Reports `NOT_SUPPORTED`, with the hint to use a second topology. */
export function notSupported(
  step: string,
  what: string,
  { of, report }: { readonly of: string; readonly report: ReportFault },
): void {
  report(step, what, {
    code: 'NOT_SUPPORTED',
    hint: `write ${of} to a topic, and read that topic in a second topology`,
  })
}

/** The places of the functions of columns. */
export function* functionsOf(
  name: string,
  columns: TumblingStep['columns'],
): Generator<FunctionPlace> {
  for (const [column, of] of Object.entries(columns)) {
    yield { where: `${name}.${column}`, argument: 'event', of }
  }
}
