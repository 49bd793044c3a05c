import type { Step, TumblingStep } from '../../topology/definition.ts'
import type { FunctionPlace, Place, Report } from './rule.ts'

// What both steps that keep windows say.

/** Tells a fault of a field or a feature. */
export type Tell = (what: string, o?: Parameters<Report>[2]) => void

export function checkLength(lengthMs: number, tell: Tell): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

/** Refuses windows over what no window is kept of, instead of keeping others in silence. */
export function checkPlace({ name }: Step, { isScored }: Place, report: Report): void {
  if (isScored) notSupported(name, 'windows over scores', { of: 'the scores', report })
}

export function notSupported(
  step: string,
  what: string,
  { of, report }: { readonly of: string; readonly report: Report },
): void {
  report(step, what, {
    code: 'NOT_SUPPORTED',
    hint: `write ${of} to a topic and read it in a second topology`,
  })
}

/** The functions of columns. */
export function* functionsOf(
  name: string,
  columns: TumblingStep['columns'],
): Generator<FunctionPlace> {
  for (const [column, of] of Object.entries(columns)) {
    yield { where: `${name}.${column}`, takes: 'event', of }
  }
}
