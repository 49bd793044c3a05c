import { isDeepStrictEqual } from 'node:util'
import { position } from '../../kernel/ids.ts'
import type { RecordParts } from '../../records/port.ts'
import { describeAgreement, signed } from '../compare.ts'
import { bytesAsJson, grouped, plural, table } from '../print.ts'
import type { ChangedNumber, ModelChange } from './model-change.ts'
import { type Difference, originName, type Verification } from './verification.ts'
import { partsOf } from './written-outputs.ts'

/** The most fields of one output that are shown. */
const MOST_FIELDS = 6

/** A difference with the record that is written, if there is one. */
export interface ReadDifference extends Difference {
  readonly record: RecordParts | null
}

/** @param source the topic */
export function describeVerification(
  verification: Verification,
  differences: readonly ReadDifference[],
  source: string,
): string {
  const { counts, reasons } = verification
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const each = Object.entries(counts).filter(
    ([kind, count]) => count > 0 || kind !== 'not comparable',
  )
  const summary = each.map(([kind, count]) => `${grouped(count)} ${kind}`).join(', ')
  return [
    ...differences.flatMap((difference) => [...describeDifference(difference, source), '']),
    ...table(reasons.map(([why, count]) => [why, grouped(count)])),
    `${grouped(all)} compared: ${summary}`,
    '',
  ].join('\n')
}

function describeDifference(
  { kind, why, origin, written, made, record }: ReadDifference,
  source: string,
): string[] {
  const place =
    written === null ? '' : `${position(written.topic, written.partition, written.offset)}, `
  const what = origin.sink === null ? 'dead letter' : origin.sink
  return [
    `${kind}: ${what} of ${originName(source, origin)}`,
    `  ${place}${why}`,
    ...(record === null || made === null ? [] : fieldsOf(record, made)),
  ]
}

type Field = readonly [name: string, then: string, now: string]

/** The fields in which two records differ. */
function fieldsOf(then: RecordParts, now: RecordParts): string[] {
  const fields: Field[] = [
    ...differing('key', bytesAsJson(then.key), bytesAsJson(now.key)),
    ...differing('value', jsonOf(then.value), jsonOf(now.value)),
    ...differing('header', headersOf(then), headersOf(now)),
  ]
  const more = fields.length - MOST_FIELDS
  return [
    ...table([
      ['  field', 'written', 'replayed'],
      ...fields.slice(0, MOST_FIELDS).map(([name, ...values]) => [`  ${name}`, ...values]),
    ]),
    ...(more > 0 ? [`  and ${plural(more, 'field')} more`] : []),
  ]
}

function differing(name: string, then: unknown, now: unknown): Field[] {
  if (isDeepStrictEqual(then, now)) return []
  if (!isObject(then) || !isObject(now)) return [[name, shown(then), shown(now)]]
  const names = new Set([...Object.keys(then), ...Object.keys(now)])
  return [...names].flatMap((part) => differing(`${name}.${part}`, then[part], now[part]))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function shown(value: unknown): string {
  return value === undefined ? '—' : JSON.stringify(value)
}

/** Parsed, unless another text has the same JSON. */
function jsonOf(bytes: Buffer | null): unknown {
  const text = bytesAsJson(bytes)
  try {
    const json: unknown = JSON.parse(String(text))
    return JSON.stringify(json) === text ? json : text
  } catch {
    return text
  }
}

function headersOf(record: RecordParts): unknown {
  return Object.fromEntries(
    partsOf(record).headers.map(({ name, value }) => [name, bytesAsJson(value)]),
  )
}

export function describeChange({ counts, changed }: ModelChange, source: string): string {
  const { outputs, onlyNow, onlyThen } = counts
  const alone = `${grouped(onlyNow)} only now, ${grouped(onlyThen)} only then`
  const numbers = changed.flatMap((one) => describeNumber(one, source))
  return [
    `${plural(outputs, 'output')} compared, ${alone}`,
    ...(numbers.length === 0 ? ['nothing would change'] : numbers),
    '',
  ].join('\n')
}

function describeNumber({ name, result, worst }: ChangedNumber, source: string): string[] {
  return [
    '',
    `${name}, ${plural(result.pairs, 'output')}`,
    ...describeAgreement(result),
    '',
    ...table([
      ['  the largest differences', 'key', 'then', 'now', 'difference'],
      ...worst.map(({ origin, key, before, after }) => [
        `  ${originName(source, origin)}`,
        ...[key, String(before), String(after), signed(after - before)],
      ]),
    ]),
  ]
}
