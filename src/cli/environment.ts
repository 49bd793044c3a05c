import { SETTINGS, type SettingName, variableOf } from './settings.ts'

// Which variables of the environment are meant for Tidemark.

/** As `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'TIDEMARK_'
/** What Tidemark's own tests and scripts go by: it may be set where they start a command. */
const OF_TESTS = /^(TEST_\w+|REQUIRE_KAFKA|KAFKA_IMAGE|BROKER_SETTINGS|DISK_MB|TOOLS|MUTANT)$/
/**
 * What Kubernetes sets in each container beside a service that is called tidemark or tidemark-….
 */
const OF_KUBERNETES = /(^|_)(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/
const ADDRESS_OF_KUBERNETES = /^(tcp|udp|sctp):\/\//

/** Every variable that a setting can be given by. */
export const VARIABLES: readonly string[] = (Object.keys(SETTINGS) as SettingName[]).map(variableOf)

/** The `TIDEMARK_…` that are set and that nobody reads. */
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
