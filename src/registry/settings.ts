import {
  NODES_OWN,
  NONE,
  optional,
  pemFile,
  secret,
  secretFile,
  textWithout,
  under,
  type ValuesOf,
} from '../kernel/setting.ts'
import type { RegistryOptions } from './confluent-registry.ts'

export const REGISTRY_SETTINGS = under('Schema registry', {
  registry: optional(
    '<url>',
    "schema registry with Confluent's API, for topologies whose values have schemas in one",
    { ...NONE, kind: textWithout(faultOfRegistryUrl) },
  ),
  registryUsername: optional('<name>', 'user name for the schema registry'),
  registryPassword: secret('<password>', 'password for the schema registry'),
  registryPasswordFile: secretFile(
    'password for the schema registry',
    'TIDEMARK_REGISTRY_PASSWORD',
  ),
  registryCa: pemFile(
    "CA certificates to verify the schema registry's certificate with",
    NODES_OWN,
  ),
})
type Values = ValuesOf<typeof REGISTRY_SETTINGS>

/** The schema registry that the settings name, as a choice; empty: none. */
export function chosenRegistry(values: Values): { readonly registry?: RegistryOptions } {
  const { registry: url, registryUsername: username, registryCa: ca } = values
  if (url === null) return {}
  const password = values.registryPasswordFile ?? values.registryPassword ?? ''
  const login = username === null ? {} : { login: { username, password } }
  return { registry: { url, ...login, ...(ca !== null && { ca }) } }
}

/** The fault of a schema registry's URL; it never quotes it, because it may contain a password. */
function faultOfRegistryUrl(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    return 'is not an http or https URL'
  }
  return url.username === '' && url.password === ''
    ? null
    : 'contains credentials: give them in TIDEMARK_REGISTRY_USERNAME and TIDEMARK_REGISTRY_PASSWORD'
}
