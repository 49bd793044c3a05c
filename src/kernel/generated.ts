/**
 * A function of this source; `null`: code generation is off, as Node can be told
 * (`--disallow-code-generation-from-strings`).
 */
export function generated(parameters: readonly string[], body: string): unknown {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the source is made of numbers and of words of our own
    return new Function(...parameters, body)
  } catch (thrown) {
    if (thrown instanceof EvalError) return null
    throw thrown
  }
}
