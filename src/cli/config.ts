import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import {
  type Config,
  flagOf,
  SETTINGS,
  type SettingName,
  type Values,
  variableOf,
} from '../host/settings.ts'
import { configFault, messageOf, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { isJsonObject } from '../kernel/json.ts'
import type { RawSetting, Setting } from '../kernel/setting.ts'
import { textOfFile } from '../kernel/setting.ts'
import { contradictions } from './contradictions.ts'
import { type Environment, linksOfKubernetes, unknownVariables, VARIABLES } from './environment.ts'
import { sayNotes } from './print.ts'

// Where the value of a setting comes from: flag > environment > config file > default. All faults
// are reported at once.

const CONFIG_FILE = 'tidemark.config.json'
const CONFIG_FLAG = '--config'

interface SettingsContext {
  readonly env: Environment
  /** The working directory: where the config file is, and from which relative paths lead. */
  readonly folder: string
}

export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const s = SETTINGS[name]
    if (s.environmentOnly || !names.includes(name)) continue
    const flags = s.value === null ? flagOf(name) : `${flagOf(name)} ${s.value}`
    const option = new Option(flags)
    option.helpGroup(`${s.heading}:`)
    // Otherwise commander's default for a negated switch would override the environment.
    if (option.negate) option.default(null)
    option.description = `${s.about}${helpOfFallback(s)}`
    if (s.many) {
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    }
    command.addOption(option)
  }
  return command
    .option(`${CONFIG_FLAG} <file>`, `settings as JSON (default: ${CONFIG_FILE}, if it exists)`)
    .addHelpText(
      'after',
      `\nEach setting can also be set in the environment (TIDEMARK_HTTP_PORT) or in ${CONFIG_FILE} (httpPort). A flag overrides both.`,
    )
}

/** The key of the flags that are given more than once, among a command's parsed flags. */
const REPEATED = 'repeatedFlags'

/**
 * Refuses flags of a command that are given more than once, because commander would silently use
 * the last one. A flag whose parser takes the value before it may be.
 */
export function refuseRepeats(command: Command): void {
  const repeated: string[] = []
  command.setOptionValue(REPEATED, repeated)
  for (const option of command.options) {
    const isList = option.argChoices === undefined && (option.parseArg?.length ?? 0) > 1
    if (isList) continue
    let times = 0
    command.on(`option:${option.name()}`, () => {
      times += 1
      if (times === 2) repeated.push(option.long ?? option.flags)
    })
  }
  // `readConfig` reports them with all other faults of the settings.
  if (command.options.some((option) => option.long === CONFIG_FLAG)) return
  command.hook('preAction', () => refuseIfAny(repeatFaults(command.opts())))
}

function repeatFaults(flags: Readonly<Record<string, unknown>>): TidemarkError[] {
  const repeated = (flags[REPEATED] ?? []) as readonly string[]
  const hint = 'only one of them would be used: keep the one you mean'
  return repeated.map((where) => configFault('is given more than once', where, hint))
}

function helpOfFallback({ fallback, fallbackText }: Setting<unknown>): string {
  const plain = typeof fallback === 'string' || typeof fallback === 'number'
  const text = fallbackText ?? (plain ? String(fallback) : '')
  return text === '' ? '' : ` (default: ${text})`
}

/**
 * Reads the settings, given a command's parsed flags.
 * @throws Refused with a `CONFIG_INVALID` for each fault; messages never contain a password
 */
export function readConfig<const N extends SettingName>(
  names: readonly N[],
  flags: Readonly<Record<string, unknown>>,
  context: SettingsContext = { env: process.env, folder: process.cwd() },
): Config<N> {
  const faults: TidemarkError[] = []
  const file = readConfigFile(flags['config'], context.folder, faults)
  faults.push(...repeatFaults(flags))
  for (const name of unknownVariables(context.env)) {
    faults.push(configFault('there is no such setting', name, suggestName(name, VARIABLES)))
  }
  const links = linksOfKubernetes(context.env)
  sayNotes(links.map((name) => `${name} is a link of Kubernetes to a service: it is ignored`))
  const config: Partial<Record<SettingName, unknown>> = {}
  for (const name of names) {
    const s = SETTINGS[name]
    const origin = givenOrigin(name, flags, context) ?? file.get(name)
    if (origin === undefined) {
      config[name] = s.fallback
      continue
    }
    try {
      config[name] = s.kind.parse(origin.raw)
    } catch (thrown) {
      faults.push(asFault(thrown, origin.where))
    }
  }
  refuseIfAny([...faults, ...contradictions(config as Values)])
  return config as Config<N>
}

/** The text of a setting, and where it was set. */
interface Origin {
  readonly raw: RawSetting
  readonly where: string
}

/** Its flag or else its variable; `null`: neither is set. */
function givenOrigin(
  name: SettingName,
  flags: Readonly<Record<string, unknown>>,
  { env, folder }: SettingsContext,
): Origin | null {
  const { environmentOnly, many } = SETTINGS[name]
  const flag = environmentOnly ? undefined : flags[name]
  if (flag !== undefined && flag !== null) {
    return { raw: { values: [flag].flat().map(String), folder }, where: flagOf(name) }
  }
  const where = variableOf(name)
  const text = env[where] ?? ''
  if (text === '' || linksOfKubernetes(env).includes(where)) return null
  const values = many ? text.split(',').map((v) => v.trim()) : [text]
  return { raw: { values, folder }, where }
}

function readConfigFile(
  named: unknown,
  folder: string,
  faults: TidemarkError[],
): ReadonlyMap<string, Origin> {
  const path = resolve(folder, typeof named === 'string' ? named : CONFIG_FILE)
  const origins = new Map<string, Origin>()
  if (named === undefined && !existsSync(path)) return origins
  let content: unknown
  try {
    content = JSON.parse(textOfFile(path))
  } catch (error) {
    faults.push(asFault(error, path))
    return origins
  }
  const names = Object.entries(SETTINGS)
    .filter(([, s]) => !s.environmentOnly)
    .map(([name]) => name)
  if (!isJsonObject(content)) {
    faults.push(configFault('is not a JSON object', path))
    return origins
  }
  for (const [key, value] of Object.entries(content)) {
    const [values, where] = [textsOf(value), `${path}, ${key}`]
    if (!names.includes(key)) {
      faults.push(configFault(`there is no setting "${key}"`, path, suggestName(key, names)))
    } else if (values === null) {
      const message = 'must be a string, a number, true or false, or an array or object of these'
      faults.push(configFault(message, where))
    } else {
      origins.set(key, { raw: { values, folder: dirname(path) }, where })
    }
  }
  return origins
}

/**
 * A value of the config file as flags would have it: `{"a": "b"}` is `a=b`. `null`: it has no such
 * form.
 */
function textsOf(value: unknown): readonly string[] | null {
  if (isJsonObject(value)) {
    const entries = Object.entries(value)
    return entries.every(([, v]) => isPlain(v))
      ? entries.map(([k, v]) => `${k}=${String(v)}`)
      : null
  }
  const list: unknown[] = [value].flat()
  return list.every(isPlain) ? list.map(String) : null
}

function isPlain(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function asFault(thrown: unknown, where: string): TidemarkError {
  if (!(thrown instanceof TidemarkError)) return configFault(messageOf(thrown), where)
  return new TidemarkError(thrown.code, thrown.message, { where, hint: thrown.hint })
}

const MOST_EDITS = 2
const LEAST_PART = 3
const MOST_SUGGESTED = 3

/**
 * A hint for a name that does not exist: `did you mean a or b?`, or all known names. Case,
 * `TIDEMARK_`, "-" and "_" are ignored.
 */
export function suggestName(name: string, names: readonly string[], kind = 'settings'): string {
  const text = bare(name)
  const near = names
    .map((candidate) => {
      const other = bare(candidate)
      const edits = editsBetween(text, other)
      const isTypo = edits <= Math.min(MOST_EDITS, other.length / 2)
      return { candidate, edits, isTypo, isPart: isPart(text, other) || isPart(other, text) }
    })
    .sort((a, b) => a.edits - b.edits)
  const typos = near.filter(({ isTypo, edits }) => isTypo && edits === near[0]?.edits)
  const parts = near.filter((n) => n.isPart).slice(0, MOST_SUGGESTED)
  const likely = (typos.length > 0 ? typos : parts).map(({ candidate }) => candidate)
  return likely.length === 0
    ? `known ${kind}: ${names.join(', ')}`
    : `did you mean ${likely.join(' or ')}?`
}

function bare(name: string): string {
  return name.toLowerCase().replace(/^tidemark|[-_]/g, '')
}

/** `password` of `saslpassword`, `brokers` of `kafkabrokers`. */
function isPart(short: string, long: string): boolean {
  return short.length >= LEAST_PART && long.includes(short)
}

/** Number of letters to insert, delete or replace (Levenshtein distance). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1]
    for (const [j, other] of b.split('').entries()) {
      const changed = (row[j] as number) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row.at(-1) as number
}
