import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf } from './errors.ts'

/** The raw text of a setting, from its flag, its environment variable or the config file. */
export interface RawSetting {
  /** One value, or several for a setting that can be repeated. */
  readonly values: readonly string[]
  /** Relative paths start here: the config file's folder, or the working directory. */
  readonly folder: string
}

export interface SettingKind<T> {
  /** @throws Error whose message says what is wrong with the text */
  parse(raw: RawSetting): T
  /** The fault of a value that was not parsed; `null`: none. @default none */
  fault?(value: T): string | null
}

export interface Setting<T> {
  /** Heading in the help and in docs/configuration.md. */
  readonly heading: string
  /** Placeholder for the value in the help. `null`: a switch without a value. */
  readonly value: string | null
  /** Description for the help and docs/configuration.md. */
  readonly about: string
  /** The default. */
  readonly fallback: T
  /** The default in words, where its value does not say enough. */
  readonly fallbackText?: string
  /** The flag may be repeated; the environment variable is split at commas. */
  readonly many?: true
  /** A secret: not allowed on the command line, where others can see it, or in the config file. */
  readonly environmentOnly?: true
  readonly kind: SettingKind<T>
}

/** The values of settings, by their names. */
export type ValuesOf<S> = {
  readonly [N in keyof S]: S[N] extends Setting<infer T> ? T : never
}

/** A setting of a group, which has the heading. */
type Grouped<T> = Omit<Setting<T>, 'heading'>

export function under<S extends object>(heading: string, group: S) {
  const settings = Object.entries(group) as [string, Grouped<unknown>][]
  const entries = settings.map(([name, entry]) => [name, { heading, ...entry }])
  return Object.fromEntries(entries) as {
    [N in keyof S]: S[N] extends Grouped<infer T> ? Setting<T> : never
  }
}

export function setting<T>(entry: Grouped<T>): Grouped<T> {
  return entry
}

/**
 * A setting whose default is `null`: no value.
 * @param more @default any text
 */
export function optional<T = string>(
  value: string,
  about: string,
  more: Partial<Pick<Setting<T>, 'kind' | 'fallbackText' | 'environmentOnly'>> = {},
): Grouped<T | null> {
  const kind = more.kind ?? (TEXT as SettingKind<unknown> as SettingKind<T>)
  return {
    ...{ value, about, fallback: null, ...more },
    kind: {
      parse: (raw) => kind.parse(raw),
      fault: (set) => (set === null ? null : (kind.fault?.(set) ?? null)),
    },
  }
}

export function single({ values }: RawSetting): string {
  const value = values[0] ?? ''
  if (values.length > 1) throw new Error(`takes one value, got ${values.length}`)
  if (value === '') throw new Error('is empty')
  return value
}

export const TEXT: SettingKind<string> = {
  parse: single,
  fault: (value) => (value === '' ? 'is empty' : null),
}

export function textWithout<T extends string>(fault: (text: T) => string | null): SettingKind<T> {
  return {
    fault,
    parse: (raw) => {
      const text = single(raw) as T
      throwIf(fault(text))
      return text
    },
  }
}

export const SWITCH: SettingKind<boolean> = {
  parse: (raw) => oneOf(['true', 'false']).parse(raw) === 'true',
}

export function oneOf<const T extends string>(words: readonly T[]): SettingKind<T> {
  return textWithout((value) =>
    words.includes(value) ? null : `"${value}" is not ${listOf(words)}`,
  )
}

function listOf(names: readonly string[]): string {
  const others = names.slice(0, -1).join(', ')
  return others === '' ? names.join() : `${others} or ${names.at(-1)}`
}

/** Inclusive, in the unit of the value. */
interface Range {
  readonly from: number
  readonly to?: number
}

/** @param unit how many of the value's unit are one in the text, such as 1,000 ms for seconds */
export function integer(
  { from, to = Number.MAX_SAFE_INTEGER }: Range,
  unit = 1,
): SettingKind<number> {
  const told = (value: string, per: number) =>
    `${value} is not a whole number from ${from / per} to ${Math.floor(to / per)}`
  const isIn = (value: number) => Number.isInteger(value) && value >= from && value <= to
  return {
    fault: (value) => (isIn(value) ? null : told(String(value), 1)),
    parse: (raw) => {
      const value = single(raw)
      const number = /^\d+$/.test(value) ? Number(value) * unit : Number.NaN
      throwIf(isIn(number) ? null : told(`"${value}"`, unit))
      return number
    },
  }
}

/** A value of a kind, or a word instead, which stands for another value. */
export function orWord<T, U>(kind: SettingKind<T>, word: string, meaning: U): SettingKind<T | U> {
  return {
    fault: (value) => (value === meaning ? null : (kind.fault?.(value as T) ?? null)),
    parse: (raw) => {
      if (single(raw) === word) return meaning
      try {
        return kind.parse(raw)
      } catch (error) {
        throw new Error(`${messageOf(error)}, or ${word}`, { cause: error })
      }
    },
  }
}

/** Names and their values, each as `name=value`. */
export function pairs(shape: string): SettingKind<Readonly<Record<string, string>>> {
  return { parse: ({ values }) => Object.fromEntries(pairsOf(values, shape)) }
}

/** @throws Error with what is wrong with one of them */
export function pairsOf(values: readonly string[], shape: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const value of values) {
    const at = value.indexOf('=')
    const [name, to] = [value.slice(0, at).trim(), value.slice(at + 1).trim()]
    if (at < 1 || name === '' || to === '') throw new Error(`"${value}" is not ${shape}`)
    if (found.has(name)) throw new Error(`"${name}" is given twice`)
    found.set(name, to)
  }
  return found
}

function throwIf(fault: string | null): void {
  if (fault !== null) throw new Error(fault)
}

// Settings whose values are files, and secrets.

export const NODES_OWN = { fallbackText: 'those that Node trusts' }
export const NONE = { fallbackText: 'none' }

export function pemFile(about: string, more: Pick<Setting<string>, 'fallbackText'> = {}) {
  return optional('<file>', `${about} (PEM)`, { kind: { parse: textOf }, ...more })
}

export function secret(value: string, about: string) {
  return optional(value, about, { environmentOnly: true })
}

export function secretFile(content: string, variable: string) {
  const about = `file with the ${content}; takes precedence over ${variable}`
  return optional('<file>', about, { kind: { parse: (raw) => textOf(raw).trimEnd() } })
}

export function readableFile(raw: RawSetting): string {
  textOf(raw)
  return pathOf(raw)
}

function pathOf(raw: RawSetting): string {
  return resolve(raw.folder, single(raw))
}

export function textOf(raw: RawSetting): string {
  const file = pathOf(raw)
  try {
    return textOfFile(file)
  } catch (error) {
    throw new Error(`cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** The text of a file, without the byte order mark that Windows programs write at the start. */
export function textOfFile(path: string): string {
  return new TextDecoder().decode(readFileSync(path))
}
