import { configFault, type TidemarkError } from '../kernel/errors.ts'
import { signerFaults } from '../records/kafka/options.ts'
import { isWorkerName } from '../runtime/config.ts'
import { numberedName } from './arguments.ts'
import {
  flagOf,
  type SaslMechanism,
  type SettingName,
  type Values,
  variableOf,
} from './settings.ts'

type Named = Readonly<Partial<Record<SettingName, string>>>

// The settings that only some mechanisms of SASL take, and how messages name them.
const OF_PASSWORD: Named = { saslUsername: 'a user name', saslPasswordFile: 'a password file' }
const OF_ENDPOINT: Named = {
  saslTokenCa: 'a certificate authority',
  saslClientId: 'a client id',
  saslClientSecretFile: 'a client secret file',
  saslScope: 'a scope',
}
const OF_TOKEN: Named = {
  saslTokenUrl: 'a token endpoint',
  ...OF_ENDPOINT,
  saslTokenFile: 'a token file',
  saslExtension: 'a SASL extension',
}
const OF_AWS: Named = { awsRegion: 'a region' }
const OF_MECHANISM: Readonly<Record<SaslMechanism, Named>> = {
  'scram-sha-512': OF_PASSWORD,
  'scram-sha-256': OF_PASSWORD,
  plain: OF_PASSWORD,
  oauthbearer: OF_TOKEN,
  'aws-msk-iam': OF_AWS,
}

/** Secrets that a mechanism would send unencrypted. */
const SECRETS: Partial<Record<SaslMechanism, string>> = {
  plain: 'password',
  oauthbearer: 'access token',
  'aws-msk-iam': 'signature',
}

/**
 * Faults of settings that are each valid but contradict each other. One that did not parse has no
 * value, and is not checked.
 */
export function contradictions(values: Values): TidemarkError[] {
  return [...loginFaults(values), ...tlsFaults(values), ...nameFaults(values)]
}

function loginFaults(values: Values): TidemarkError[] {
  const { saslMechanism: mechanism } = values
  if (mechanism === undefined) return []
  const stray = strayFaults(values, mechanism)
  if (mechanism === null) return stray
  return [...plainTextFaults(values, mechanism), ...missing(values, mechanism), ...stray]
}

function plainTextFaults({ tls }: Values, mechanism: SaslMechanism): TidemarkError[] {
  const secret = SECRETS[mechanism]
  if (secret === undefined || tls !== false) return []
  const what = `${mechanism} sends the ${secret} unencrypted, so it needs TLS`
  const hint = mechanism === 'plain' ? 'add --tls, or use scram-sha-512' : 'add --tls'
  return [configFault(what, flagOf('saslMechanism'), hint)]
}

function missing(values: Values, mechanism: SaslMechanism): TidemarkError[] {
  if (mechanism === 'oauthbearer') return tokenFaults(values)
  if (mechanism === 'aws-msk-iam') {
    const signer = signerFaults().map(({ message, hint }) =>
      configFault(message, flagOf('saslMechanism'), hint),
    )
    return [...signer, ...needed(values, 'awsRegion', 'aws-msk-iam needs a region')]
  }
  return [
    ...needed(values, 'saslUsername', 'SASL needs a user name'),
    ...neededSecret(values, 'saslPassword', 'SASL needs a password'),
  ]
}

function tokenFaults(values: Values): TidemarkError[] {
  const { saslTokenUrl: url, saslTokenFile: file } = values
  const where = `${flagOf('saslTokenUrl')}, ${flagOf('saslTokenFile')}`
  if (url === null && file === null) {
    return [configFault('oauthbearer needs a token endpoint or a token file', where)]
  }
  if (url && file) return [configFault('set a token endpoint or a token file, not both', where)]
  if (url) {
    return [
      ...needed(values, 'saslClientId', 'a token endpoint needs a client id'),
      ...neededSecret(values, 'saslClientSecret', 'a token endpoint needs a client secret'),
    ]
  }
  return setIn(values, OF_ENDPOINT).map(([name, what]) =>
    configFault(`${what} is set, but no token endpoint`, flagOf(name)),
  )
}

function needed(values: Values, name: SettingName, what: string): TidemarkError[] {
  return values[name] === null ? [configFault(what, flagOf(name))] : []
}

function neededSecret(
  values: Values,
  variable: 'saslPassword' | 'saslClientSecret',
  what: string,
): TidemarkError[] {
  const file = `${variable}File` as const
  if (values[variable] !== null || values[file] !== null) return []
  const hint = `set ${variableOf(variable)} or ${variableOf(file)}`
  return [configFault(what, flagOf(file), hint)]
}

function strayFaults(values: Values, mechanism: SaslMechanism | null): TidemarkError[] {
  const stray = setIn(values, { ...OF_PASSWORD, ...OF_TOKEN, ...OF_AWS })
  if (mechanism !== null) {
    return stray
      .filter(([name]) => !(name in OF_MECHANISM[mechanism]))
      .map(([name, what]) =>
        configFault(`${what} is set, but ${mechanism} takes none`, flagOf(name)),
      )
  }
  return stray.map(([name, what]) => {
    const fitting = Object.entries(OF_MECHANISM).filter(([, named]) => name in named)
    const or = fitting.length === 1 ? '' : ', or the one that the brokers use'
    const hint = `add --sasl-mechanism ${fitting[0]?.[0]}${or}`
    return configFault(`${what} is set but no SASL mechanism`, flagOf('saslMechanism'), hint)
  })
}

function setIn(values: Values, named: Named): [SettingName, string][] {
  const isSet = (value: unknown) =>
    value instanceof Map ? value.size > 0 : value !== undefined && value !== null
  return (Object.entries(named) as [SettingName, string][]).filter(([name]) => isSet(values[name]))
}

function tlsFaults({ tls, tlsCa, tlsCert, tlsKey }: Values): TidemarkError[] {
  const faults: TidemarkError[] = []
  for (const [name, file] of Object.entries({ tlsCa, tlsCert, tlsKey })) {
    if (!file || tls !== false) continue
    const what = 'a certificate or key is set but TLS is off'
    faults.push(configFault(what, flagOf(name as SettingName), 'add --tls'))
  }
  if ((tlsCert && tlsKey === null) || (tlsKey && tlsCert === null)) {
    const what = 'set both a client certificate and its private key, or neither'
    faults.push(configFault(what, `${flagOf('tlsCert')}, ${flagOf('tlsKey')}`))
  }
  return faults
}

function nameFaults({ workers = 1, workerName = null }: Values): TidemarkError[] {
  if (workers === 1 || workerName === null) return []
  if (isWorkerName(numberedName(workerName, workers))) return []
  const what = `is longer than 100 characters once a worker's number is appended, such as "-${workers}"`
  return [configFault(what, flagOf('workerName'))]
}
