import { TidemarkError } from '../kernel/errors.ts'

/** A fault of the configuration. `where` is a flag, a variable, or a file with a key. */
export function settingFault(message: string, where: string, hint?: string): TidemarkError {
  return new TidemarkError(
    'CONFIG_INVALID',
    message,
    hint === undefined ? { where } : { where, hint },
  )
}
