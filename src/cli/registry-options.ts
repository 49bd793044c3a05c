import type { ConfluentRegistry, RegistryOptions } from '../registry/confluent-registry.ts'
import type { Config } from './config.ts'

/** The settings for reaching a schema registry. */
export const REGISTRY_SETTINGS = [
  'registry',
  'registryUsername',
  'registryPassword',
  'registryPasswordFile',
  'registryCa',
] as const
/** The values of these settings. */
export type RegistryConfig = Config<(typeof REGISTRY_SETTINGS)[number]>

/** The schema registry that the settings name, as a choice; empty: none. */
export function chosenRegistry(config: RegistryConfig): { readonly registry?: RegistryOptions } {
  const { registry: url, registryUsername: username, registryCa: ca } = config
  if (url === null) return {}
  const password = config.registryPasswordFile ?? config.registryPassword ?? ''
  const login = username === null ? {} : { login: { username, password } }
  return { registry: { url, ...login, ...(ca === null ? {} : { ca }) } }
}

/** A client of the schema registry that the settings name; `null`: they name none. */
export async function openRegistry(config: RegistryConfig): Promise<ConfluentRegistry | null> {
  const { registry } = chosenRegistry(config)
  if (registry === undefined) return null
  const { ConfluentRegistry } = await import('../registry/confluent-registry.ts')
  return new ConfluentRegistry(registry)
}
