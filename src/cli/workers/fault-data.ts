import { type Code, messageOf, TidemarkError } from '../../kernel/errors.ts'

/** An error as sent to another process: an Error object would arrive without its code. */
export interface FaultData {
  /** `null`: a bug. */
  readonly code: Code | null
  readonly message: string
  readonly where?: string
  readonly hint?: string
  readonly stack?: string
}

/** Converts an error for sending. */
export function faultData(thrown: unknown): FaultData {
  const message = messageOf(thrown)
  const stack = stackOf(thrown)
  if (!(thrown instanceof TidemarkError)) return { code: null, message, ...(stack && { stack }) }
  const { code, where, hint, cause } = thrown
  const of = stackOf(cause)
  return { code, message, ...(where && { where }), ...(hint && { hint }), ...(of && { stack: of }) }
}

/** Restores the error. */
export function faultOf({ code, message, stack, ...details }: FaultData): Error {
  const bug = Object.assign(new Error(message), { stack })
  if (code === null) return bug
  return new TidemarkError(code, message, { ...details, ...(stack && { cause: bug }) })
}

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined
}
