import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isExtension } from '../connect/kafka/client/options.ts'
import { messageOf } from '../kernel/errors.ts'
import { pairsOf, type RawSetting, single } from '../runtime/setting.ts'

// Parsers of the settings that only a process has. Each throws an Error whose message says what is
// wrong with the value.

export function saslExtensions({ values }: RawSetting): Map<string, string> {
  const extensions = pairsOf(values, 'name=value')
  for (const [name, value] of extensions) {
    if (!isExtension(name, value)) throw new Error(`"${name}" is not letters with a value in ASCII`)
  }
  return extensions
}

/** The fault of a schema registry's URL; it never quotes it, because it may contain a password. */
export function faultOfRegistryUrl(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    return 'is not an http or https URL'
  }
  return url.username === '' && url.password === ''
    ? null
    : 'contains credentials: give them in TIDEMARK_REGISTRY_USERNAME and TIDEMARK_REGISTRY_PASSWORD'
}

/** URLs of Redis, without passwords. */
export function redisUrls({ values }: RawSetting): readonly string[] {
  return values.flatMap((value) => value.split(',')).map((value) => redisUrl(value.trim()))
}

function redisUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isRedis = url !== null && ['redis:', 'rediss:'].includes(url.protocol)
  // It may contain a password.
  if (!isRedis || url.hostname === '') throw new Error('is not a redis:// or rediss:// URL')
  if (url.password !== '') {
    throw new Error('contains a password: give it in TIDEMARK_REDIS_PASSWORD')
  }
  if (!/^(|\/|\/\d{1,4})$/.test(url.pathname)) throw new Error('has a path that is no number')
  return text
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
