import { toUSVString } from 'node:util'
import { TidemarkError } from '../kernel/errors.ts'
import type { OutgoingHeader } from '../records/record-format.ts'
import type { SinkStep } from '../topology/definition.ts'
import { isPromise, nameOf } from '../topology/schema.ts'
import { isReservedHeader } from '../topology/source.ts'

/**
 * The headers that a sink's function returns for an event; those that are `null` or undefined are
 * left out.
 *
 * @throws TidemarkError `FUNCTION_THREW` · `OUTPUT_INVALID`: what it returns are no headers
 */
export function sinkHeaders(
  of: NonNullable<SinkStep['headers']>,
  event: unknown,
): OutgoingHeader[] {
  const headers: OutgoingHeader[] = []
  for (const [name, value] of Object.entries(returned(of, event))) {
    if (value === null || value === undefined) continue
    headers.push({ name: checkedName(name), value: valueOf(name, value) })
  }
  return headers
}

function returned(of: NonNullable<SinkStep['headers']>, event: unknown): object {
  let headers: unknown
  try {
    headers = of(event)
  } catch (thrown) {
    const what = `headers threw ${nameOf(thrown)}`
    throw new TidemarkError('FUNCTION_THREW', what, { cause: thrown })
  }
  if (isPromise(headers)) {
    const hint = 'functions of a topology must be synchronous: no async'
    throw new TidemarkError('OUTPUT_INVALID', 'headers returned a promise', { hint })
  }
  if (typeof headers === 'object' && headers !== null && !Array.isArray(headers)) return headers
  throw invalid(`headers must return an object, got ${kindOf(headers)}`)
}

function checkedName(name: string): string {
  if (name === '') throw invalid('a header has an empty name')
  if (isReservedHeader(name))
    throw invalid(`header "${name}": only Tidemark writes headers of such a name`)
  return name
}

function valueOf(name: string, value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value
  if (typeof value !== 'string') {
    throw invalid(`header "${name}" must be text or a Buffer, got ${kindOf(value)}`)
  }
  if (toUSVString(value) !== value)
    throw invalid(`header "${name}" is text with half a surrogate pair`)
  return Buffer.from(value)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function invalid(what: string): TidemarkError {
  return new TidemarkError('OUTPUT_INVALID', what)
}
