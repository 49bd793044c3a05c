/**
 * Compiles a function from source text. `null`: code generation is off, which Node allows
 * (`--disallow-code-generation-from-strings`).
 */
export function generated(parameters: readonly string[], body: string): unknown {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the source contains only numbers and names of our own
    return new Function(...parameters, body)
  } catch (thrown) {
    if (thrown instanceof EvalError) return null
    throw thrown
  }
}
