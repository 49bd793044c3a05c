import { type Command, Option } from 'commander'
import { TidemarkError } from '../kernel/errors.ts'

// Refuses flags that are given twice: commander would silently use the last one.

export class RepeatableOption extends Option {}

const REPEATED = 'repeatedFlags'

/** Records which flags of a command are given more than once, for {@link repeatFaults}. */
export function watchRepeats(command: Command): void {
  for (const option of command.options) {
    if (option instanceof RepeatableOption) continue
    let times = 0
    command.on(`option:${option.name()}`, () => {
      times += 1
      if (times !== 2) return
      const flag = option.long ?? option.flags
      command.setOptionValue(REPEATED, [...repeatedIn(command.opts()), flag])
    })
  }
}

export function repeatFaults(flags: Readonly<Record<string, unknown>>): TidemarkError[] {
  const hint = 'only one of them would be used: keep the one you mean'
  return repeatedIn(flags).map(
    (where) => new TidemarkError('CONFIG_INVALID', 'is given more than once', { where, hint }),
  )
}

function repeatedIn(flags: Readonly<Record<string, unknown>>): readonly string[] {
  return (flags[REPEATED] as readonly string[] | undefined) ?? []
}
