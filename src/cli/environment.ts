import { SETTINGS, type SettingName, variableOf } from '../host/settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'TIDEMARK_'
const OF_TESTS = /^(TEST_\w+|REQUIRE_KAFKA|(KAFKA_)?IMAGE|BROKER_SETTINGS|DISK_MB|TOOLS|MUTANT)$/
/** Variables that Kubernetes sets in containers for a service named tidemark or tidemark-…. */
const OF_KUBERNETES = /(^|_)(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/
const ADDRESS_OF_KUBERNETES = /^(tcp|udp|sctp):\/\//

export const VARIABLES: readonly string[] = (Object.keys(SETTINGS) as SettingName[]).map(variableOf)

/**
 * The names of `TIDEMARK_…` variables, except those of Tidemark's own tests and scripts, which may
 * be set when they start a command.
 */
export function variablesForCommands(env: Environment): string[] {
  return Object.keys(env).filter(
    (name) => name.startsWith(PREFIX) && !OF_TESTS.test(name.slice(PREFIX.length)),
  )
}

/** Variables that are named like settings and are links of Kubernetes: `TIDEMARK_HTTP_PORT=tcp://…`. */
export function linksOfKubernetes(env: Environment): string[] {
  return VARIABLES.filter((name) => isOfKubernetes(name, env[name] ?? ''))
}

export function unknownVariables(env: Environment): string[] {
  return variablesForCommands(env).filter((name) => {
    const value = env[name] ?? ''
    return value !== '' && !VARIABLES.includes(name) && !isOfKubernetes(name, value)
  })
}

function isOfKubernetes(name: string, value: string): boolean {
  const rest = name.slice(PREFIX.length)
  const isAddress = /(^|_)PORT$/.test(rest) && ADDRESS_OF_KUBERNETES.test(value)
  return isAddress || OF_KUBERNETES.test(rest)
}
