import type { Command } from 'commander'
import { configFault, type TidemarkError } from '../kernel/errors.ts'

// Refuses flags that are given twice: commander would silently use the last one.

/** The key of the repeated flags among a command's parsed flags. */
const REPEATED = 'repeatedFlags'
const HINT = 'only one of them would be used: keep the one you mean'

/**
 * Records which flags of a command are given more than once, for {@link repeatFaults}. A flag whose
 * parser takes the value before it may be.
 */
export function watchRepeats(command: Command): void {
  for (const option of command.options) {
    const isList = option.argChoices === undefined && (option.parseArg?.length ?? 0) > 1
    if (isList) continue
    let times = 0
    command.on(`option:${option.name()}`, () => {
      times += 1
      if (times !== 2) return
      const flag = option.long ?? option.flags
      command.setOptionValue(REPEATED, [...repeatedIn(command.opts()), flag])
    })
  }
}

/** A `CONFIG_INVALID` for each flag that was given more than once. */
export function repeatFaults(flags: Readonly<Record<string, unknown>>): TidemarkError[] {
  return repeatedIn(flags).map((where) => configFault('is given more than once', where, HINT))
}

function repeatedIn(flags: Readonly<Record<string, unknown>>): readonly string[] {
  return (flags[REPEATED] as readonly string[] | undefined) ?? []
}
