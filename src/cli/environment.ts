import { SETTINGS, type SettingName, variableOf } from './settings.ts'

// Which environment variables are meant for Tidemark.

/** Environment variables, like `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'TIDEMARK_'
/** Variables of Tidemark's own tests and scripts, which may be set when they start a command. */
const OF_TESTS = /^(TEST_\w+|REQUIRE_KAFKA|KAFKA_IMAGE|BROKER_SETTINGS|DISK_MB|TOOLS|MUTANT)$/
/** Variables that Kubernetes sets in containers for a service named tidemark or tidemark-…. */
const OF_KUBERNETES = /(^|_)(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/
const ADDRESS_OF_KUBERNETES = /^(tcp|udp|sctp):\/\//

/** The environment variables of all settings. */
export const VARIABLES: readonly string[] = (Object.keys(SETTINGS) as SettingName[]).map(variableOf)

/** The names of `TIDEMARK_…` variables that are set but unknown. */
export function unknownVariables(env: Environment): string[] {
  return Object.entries(env)
    .filter(([name, value = '']) => name.startsWith(PREFIX) && value !== '')
    .filter(([name, value = '']) => !VARIABLES.includes(name) && !isOfOthers(name, value))
    .map(([name]) => name)
}

function isOfOthers(name: string, value: string): boolean {
  const rest = name.slice(PREFIX.length)
  const isAddress = /(^|_)PORT$/.test(rest) && ADDRESS_OF_KUBERNETES.test(value)
  return isAddress || OF_KUBERNETES.test(rest) || OF_TESTS.test(rest)
}
