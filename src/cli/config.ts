import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { isWorkerName } from '../host/options.ts'
import { messageOf, refuseIfAny, TidemarkError } from '../kernel/errors.ts'
import { type Environment, unknownVariables, VARIABLES } from './environment.ts'
import { hintOfNames } from './meant.ts'
import { RepeatableOption, repeatFaults } from './repeats.ts'
import {
  flagOf,
  type Given,
  SETTINGS,
  type Setting,
  type SettingName,
  type SettingValue,
  variableOf,
} from './settings.ts'
import { numberedName } from './worker-names.ts'

// From where a setting's value comes: flag > environment > config file > fallback. All faults at
// once.

/** Read when `--config` names no other file and it exists. */
const CONFIG_FILE = 'tidemark.config.json'
const CONFIG_FLAG = '--config'

/** The values of some settings. */
export type Config<N extends SettingName> = { readonly [K in N]: SettingValue<K> }

/** What a process is started with. */
export interface Surroundings {
  readonly env: Environment
  /** Where the config file is looked for, and where relative files start. */
  readonly folder: string
}

/** Adds the flags of these settings, and `--config`, to a command. */
export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const s: Setting<unknown> = SETTINGS[name]
    if (s.environmentOnly) continue
    const flags = s.takes === null ? flagOf(name) : `${flagOf(name)} ${s.takes}`
    const option = s.many ? new RepeatableOption(flags) : new Option(flags)
    // Commander's own default of a switch to turn off would win over the environment.
    if (option.negate) option.default(null)
    option.description = `${s.about}${helpOfFallback(s)}`
    if (s.many) {
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    }
    command.addOption(option)
  }
  return command
    .option(`${CONFIG_FLAG} <file>`, `settings as JSON (${CONFIG_FILE})`)
    .addHelpText(
      'after',
      `\nEach setting may stand in ${CONFIG_FILE} (httpPort) or the environment (TIDEMARK_HTTP_PORT); a flag wins.`,
    )
}

/** Has a command the flags of settings? */
export function takesSettings(command: Command): boolean {
  return command.options.some((option) => option.long === CONFIG_FLAG)
}

function helpOfFallback({ fallback, fallbackText }: Setting<unknown>): string {
  const plain = typeof fallback === 'string' || typeof fallback === 'number'
  const text = fallbackText ?? (plain ? String(fallback) : '')
  return text === '' ? '' : ` (default: ${text})`
}

/**
 * The settings in force, given a command's parsed flags.
 *
 * @throws Refused with a `CONFIG_INVALID` for each fault; never shows a password
 */
export function readConfig<const N extends SettingName>(
  names: readonly N[],
  flags: Readonly<Record<string, unknown>>,
  around: Surroundings = { env: process.env, folder: process.cwd() },
): Config<N> {
  const faults: TidemarkError[] = []
  const file = readConfigFile(flags['config'], around.folder, faults)
  faults.push(...repeatFaults(flags), ...variableFaults(around.env))
  const config: Partial<Record<SettingName, unknown>> = {}
  for (const name of names) {
    const s: Setting<unknown> = SETTINGS[name]
    const origin = firstOrigin(name, { flags, around, file })
    if (origin === null) {
      config[name] = s.fallback
      continue
    }
    try {
      config[name] = s.parse(origin.given)
    } catch (thrown) {
      faults.push(asFault(thrown, origin.where))
    }
  }
  refuseIfAny([...faults, ...contradictions(config)])
  return config as Config<N>
}

function variableFaults(env: Environment): TidemarkError[] {
  return unknownVariables(env).map((name) =>
    invalid('there is no such setting', name, hintOfNames(name, VARIABLES)),
  )
}

interface Origins {
  readonly flags: Readonly<Record<string, unknown>>
  readonly around: Surroundings
  readonly file: ConfigFile
}

/** The strongest origin that gives a value. */
function firstOrigin(name: SettingName, o: Origins): { given: Given; where: string } | null {
  const { environmentOnly, many }: Setting<unknown> = SETTINGS[name]
  const { env, folder } = o.around
  const flag = environmentOnly ? undefined : o.flags[name]
  if (flag !== undefined && flag !== null) {
    return { given: { values: [flag].flat().map(String), folder }, where: flagOf(name) }
  }
  const variable = env[variableOf(name)]
  if (variable !== undefined && variable !== '') {
    const values = many ? variable.split(',').map((v) => v.trim()) : [variable]
    return { given: { values, folder }, where: variableOf(name) }
  }
  const values = o.file.values.get(name)
  if (values === undefined) return null
  return {
    given: { values, folder: dirname(o.file.path) },
    where: `${o.file.path}, ${name}`,
  }
}

interface ConfigFile {
  readonly path: string
  readonly values: ReadonlyMap<string, readonly string[]>
}

function readConfigFile(named: unknown, folder: string, faults: TidemarkError[]): ConfigFile {
  const path = resolve(folder, typeof named === 'string' ? named : CONFIG_FILE)
  const values = new Map<string, readonly string[]>()
  if (named === undefined && !existsSync(path)) return { path, values }
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    faults.push(asFault(error, path))
    return { path, values }
  }
  const known = Object.entries<Setting<unknown>>(SETTINGS)
    .filter(([, s]) => !s.environmentOnly)
    .map(([name]) => name)
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    faults.push(invalid('is not a JSON object', path))
    return { path, values }
  }
  for (const [key, value] of Object.entries(content)) {
    const texts = textsOf(value)
    if (!known.includes(key)) {
      faults.push(invalid(`there is no setting "${key}"`, path, hintOfNames(key, known)))
    } else if (texts === null) {
      faults.push(
        invalid(
          'takes text, a number, true or false, or a list or an object of text',
          `${path}, ${key}`,
        ),
      )
    } else {
      values.set(key, texts)
    }
  }
  return { path, values }
}

/** What stands in the file as a flag would say it: `{"a": "b"}` is `a=b`. */
function textsOf(value: unknown): readonly string[] | null {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
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

/**
 * Settings that are each right but do not go together. A value that did not parse is `undefined`
 * and is left alone.
 */
function contradictions(c: Partial<Record<SettingName, unknown>>): TidemarkError[] {
  const faults: TidemarkError[] = []
  const given = (name: SettingName) => c[name] !== undefined && c[name] !== null
  const absent = (name: SettingName) => c[name] === null
  if (c.saslMechanism === 'plain' && c.tls === false) {
    const hint = 'add --tls, or use scram-sha-512'
    faults.push(
      invalid('plain sends the password as it is, so it needs TLS', flagOf('saslMechanism'), hint),
    )
  }
  if (given('saslMechanism') && absent('saslUsername')) {
    faults.push(invalid('a login needs a user', flagOf('saslUsername')))
  }
  if (given('saslMechanism') && absent('saslPassword') && absent('saslPasswordFile')) {
    const hint = `set ${variableOf('saslPassword')} or ${variableOf('saslPasswordFile')}`
    faults.push(invalid('a login needs a password', flagOf('saslPasswordFile'), hint))
  }
  if (given('saslUsername') && absent('saslMechanism')) {
    faults.push(
      invalid('a user needs a way to log in', flagOf('saslMechanism'), 'scram-sha-512 is usual'),
    )
  }
  for (const name of ['tlsCa', 'tlsCert', 'tlsKey'] as const) {
    if (given(name) && c.tls === false) {
      faults.push(invalid('a certificate is given but TLS is off', flagOf(name), 'add --tls'))
    }
  }
  if ((given('tlsCert') && absent('tlsKey')) || (given('tlsKey') && absent('tlsCert'))) {
    faults.push(
      invalid('a certificate and its key go together', `${flagOf('tlsCert')}, ${flagOf('tlsKey')}`),
    )
  }
  const { workers = 1, workerName = null } = c as Partial<Config<'workers' | 'workerName'>>
  if (workers > 1 && workerName !== null && !isWorkerName(numberedName(workerName, workers))) {
    const what = `with the number of a worker, as in "-${workers}", it is longer than 100 characters`
    faults.push(invalid(what, flagOf('workerName')))
  }
  return faults
}

function asFault(thrown: unknown, where: string): TidemarkError {
  if (!(thrown instanceof TidemarkError)) return invalid(messageOf(thrown), where)
  const hint = thrown.hint === undefined ? {} : { hint: thrown.hint }
  return new TidemarkError(thrown.code, thrown.message, { where, ...hint })
}

function invalid(message: string, where: string, hint?: string): TidemarkError {
  return new TidemarkError(
    'CONFIG_INVALID',
    message,
    hint === undefined ? { where } : { where, hint },
  )
}
