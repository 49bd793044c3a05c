import { TidemarkError } from '../../kernel/errors.ts'
import { isPromise, nameOf } from '../../topology/schema.ts'

/** {@link outputText} in UTF-8. @throws like it */
export function encodeOutput(output: unknown): Buffer {
  return Buffer.from(outputText(output))
}

/**
 * An output as JSON, as `JSON.stringify` writes it: NaN and the infinities become `null`, fields
 * that are undefined are left out.
 *
 * @throws TidemarkError `OUTPUT_INVALID` for what has no JSON form: undefined, a function, a
 * BigInt, a cycle, a promise
 */
export function outputText(output: unknown): string {
  refusePromise(output)
  let json: string | undefined
  try {
    json = JSON.stringify(output)
  } catch (thrown) {
    throw new TidemarkError(
      'OUTPUT_INVALID',
      `writing the output as JSON threw ${nameOf(thrown)}`,
      {
        hint: 'a BigInt, or an object that contains itself, has no JSON form',
        cause: thrown,
      },
    )
  }
  if (json === undefined) {
    throw new TidemarkError(
      'OUTPUT_INVALID',
      `an output of type ${typeof output} has no JSON form`,
      {
        hint: 'map must return an object',
      },
    )
  }
  return json
}

/** @throws TidemarkError `OUTPUT_INVALID`: a promise, which would be written as an empty object */
export function refusePromise(output: unknown): void {
  if (!isPromise(output)) return
  const hint = 'functions of a topology must be synchronous: no async'
  throw new TidemarkError('OUTPUT_INVALID', 'an output is a promise', { hint })
}
