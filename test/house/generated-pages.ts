import type { Command } from 'commander'
import { batch } from '../../src/cli/batch.ts'
import { check } from '../../src/cli/check.ts'
import { consume } from '../../src/cli/consume.ts'
import { dev } from '../../src/cli/dev.ts'
import { produceCommand } from '../../src/cli/produce.ts'
import { run } from '../../src/cli/run.ts'
import { serve } from '../../src/cli/serve.ts'
import { flagOf, SETTINGS, type SettingName, variableOf } from '../../src/host/settings.ts'
import { messageOf } from '../../src/kernel/errors.ts'
import type { Setting } from '../../src/kernel/setting.ts'
import { lifecycles } from './lifecycles-page.ts'

// Pages that are made from something else: `npm run docs` writes them, and a test holds them equal.

export const GENERATED: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configuration,
  'docs/lifecycles.md': lifecycles,
}

const NAMES = Object.keys(SETTINGS) as SettingName[]
const HEADINGS = [...new Set(NAMES.map((name) => SETTINGS[name].heading))]

/** The commands that take settings. */
const COMMANDS: readonly Command[] = [
  ...[run(), batch(), serve(), check(), dev(), produceCommand(), consume()],
]

function configuration(): string {
  return [
    '# Configuration',
    '',
    '<!-- Made by `npm run docs` from src/runtime/config.ts and src/host/settings.ts; do not edit. -->',
    '',
    'The value of a setting comes from the first of these that has one:',
    '',
    '1. the flag on the command line;',
    '2. the variable in the environment;',
    '3. its key in `tidemark.config.json`, or in the file that `--config FILE` names;',
    '4. its default.',
    '',
    'An unknown `TIDEMARK_…` variable and an unknown key in the file are refused, all at once, with the names that may have been meant. A',
    'flag that is given twice is refused, unless it is repeatable. Variables that Kubernetes sets for a service called tidemark are ignored. Relative paths are relative to the folder',
    'of the configuration file, or else to the working directory.',
    '',
    'A flag `--http-port` has the variable `TIDEMARK_HTTP_PORT` and the key `httpPort`; so have all others. Secrets have a variable only.',
    '',
    ...HEADINGS.flatMap(sectionOf),
    'The options of `runWorker`, which reads neither flags nor environment: [a worker in your own service](embedding.md).',
    '',
  ].join('\n')
}

function sectionOf(heading: string): string[] {
  const names = NAMES.filter((name) => SETTINGS[name].heading === heading)
  return [
    `## ${heading}`,
    '',
    takersOf(names),
    '',
    '| flag | value | default | |',
    '|---|---|---|---|',
    ...names.map(rowOf),
    '',
  ]
}

function rowOf(name: SettingName): string {
  const s = SETTINGS[name]
  const shown = s.environmentOnly ? `\`${variableOf(name)}\`` : `\`${flagOf(name)}\``
  const value = s.value === null ? 'a switch' : (valuesOf(s) ?? `\`${s.value}\``)
  return row([shown, value, textOf(fallbackOf(s)), textOf(s.about)])
}

/** `<host>` would be a tag. */
function textOf(words: string): string {
  return words.replaceAll('<', '&lt;')
}

/** The values that a setting takes, as its parser says when it refuses another. */
function valuesOf(s: Setting<unknown>): string | null {
  try {
    s.kind.parse({ values: ['?'], folder: '.' })
    return null
  } catch (error) {
    const said = /^"\?" is not (.+)$/.exec(messageOf(error))?.[1] ?? null
    // A bound that no machine reaches is left out.
    return (
      said?.replace(/ to 9007199254\d*/, ' on').replace('a whole number from ', 'from ') ?? null
    )
  }
}

function fallbackOf({ fallback, fallbackText }: Setting<unknown>): string {
  const plain = typeof fallback === 'string' || typeof fallback === 'number'
  return fallbackText ?? (plain ? String(fallback) : fallback === false ? 'off' : 'none')
}

/** Which commands take the settings of a section: all of them, or some. */
function takersOf(names: readonly SettingName[]): string {
  const flags = names.filter((name) => SETTINGS[name].environmentOnly !== true)
  const takers = COMMANDS.flatMap((command) => {
    const taken = flags.filter((name) => takes(command, name))
    if (taken.length === 0) return []
    const which =
      taken.length === flags.length ? 'all' : taken.map((n) => `\`${flagOf(n)}\``).join(' ')
    return [`\`${command.name()}\` takes ${which}`]
  })
  return `${takers.join('; ')}.`
}

/** Not where a command has a flag of that name that is no setting. */
function takes({ options }: Command, name: SettingName): boolean {
  const [flag, { about }] = [flagOf(name), SETTINGS[name]]
  return options.some(({ long, description }) => long === flag && description.startsWith(about))
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
