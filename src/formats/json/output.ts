import { TidemarkError } from '../../kernel/errors.ts'
import { nameOf } from '../../topology/schema.ts'
import { refusePromise } from '../identity.ts'

export function encodeOutput(output: unknown): Buffer {
  return Buffer.from(outputText(output))
}

/** @throws TidemarkError `OUTPUT_INVALID`: it has no JSON form */
export function outputText(output: unknown): string {
  // JSON would write it as an empty object.
  refusePromise(output, 'an output is')
  let json: string | undefined
  try {
    json = JSON.stringify(output)
  } catch (thrown) {
    const hint = 'a BigInt, or an object that contains itself, has no JSON form'
    const reason = `writing the output as JSON threw ${nameOf(thrown)}`
    throw new TidemarkError('OUTPUT_INVALID', reason, { hint, cause: thrown })
  }
  if (json !== undefined) return json
  const message = `an output of type ${typeof output} has no JSON form`
  throw new TidemarkError('OUTPUT_INVALID', message, { hint: 'map must return an object' })
}

// Values with a schema, as JSON for people. Bytes are `{ "base64": "…" }`.

export function shownJson(value: unknown): string {
  return JSON.stringify(value, withoutBuffers)
}

/** The value that {@link shownJson} shows. @throws SyntaxError it is not JSON */
export function valueShown(json: string): unknown {
  return JSON.parse(json, (_, value) => bytesIn(value) ?? value)
}

function withoutBuffers(this: unknown, name: string, value: unknown): unknown {
  // Here the value is the result of the toJSON of Buffer.
  const member = (this as Readonly<Record<string, unknown>>)[name]
  return Buffer.isBuffer(member) ? { base64: member.toString('base64') } : value
}

function bytesIn(value: unknown): Buffer | null {
  if (typeof value !== 'object' || value === null) return null
  const { base64, ...others } = value as { readonly base64?: unknown }
  const isAll = typeof base64 === 'string' && Object.keys(others).length === 0
  return isAll ? Buffer.from(base64, 'base64') : null
}
