import type { TidemarkError } from '../kernel/errors.ts'
import { signerFaults } from '../records/kafka/options.ts'
import { settingFault } from './setting-fault.ts'
import {
  flagOf,
  type SaslMechanism,
  type SettingName,
  type Values,
  variableOf,
} from './settings.ts'

// Which settings the login with each SASL mechanism needs, and which it does not take.

const PASSWORD: readonly SaslMechanism[] = ['scram-sha-512', 'scram-sha-256', 'plain']
const TOKEN: readonly SaslMechanism[] = ['oauthbearer']

/** What settings are, and the mechanisms that they are for. */
const OWNED: readonly [SettingName, string, readonly SaslMechanism[]][] = [
  ['saslUsername', 'a user name', PASSWORD],
  ['saslPasswordFile', 'a password file', PASSWORD],
  ['saslTokenUrl', 'a token endpoint', TOKEN],
  ['saslTokenCa', 'a certificate authority', TOKEN],
  ['saslClientId', 'a client id', TOKEN],
  ['saslClientSecretFile', 'a client secret file', TOKEN],
  ['saslScope', 'a scope', TOKEN],
  ['saslTokenFile', 'a token file', TOKEN],
  ['saslExtension', 'a SASL extension', TOKEN],
  ['awsRegion', 'a region', ['aws-msk-iam']],
]

/** Settings that only a token endpoint uses. */
const OF_ENDPOINT: readonly [SettingName, string][] = [
  ['saslTokenCa', 'a certificate authority'],
  ['saslClientId', 'a client id'],
  ['saslClientSecretFile', 'a client secret file'],
  ['saslScope', 'a scope'],
]

/** What a mechanism would send unencrypted. */
const SECRETS: Partial<Record<SaslMechanism, string>> = {
  plain: 'password',
  oauthbearer: 'access token',
  'aws-msk-iam': 'signature',
}

/** The faults of the settings for logging in with the brokers. */
export function loginContradictions(values: Values): TidemarkError[] {
  const { saslMechanism: mechanism } = values
  if (mechanism === undefined) return []
  if (mechanism === null) return strayFaults(values, null)
  return [
    ...plainTextFaults(values, mechanism),
    ...missing(values, mechanism),
    ...strayFaults(values, mechanism),
  ]
}

function plainTextFaults({ tls }: Values, mechanism: SaslMechanism): TidemarkError[] {
  const secret = SECRETS[mechanism]
  if (secret === undefined || tls !== false) return []
  const what = `${mechanism} sends the ${secret} unencrypted, so it needs TLS`
  const hint = mechanism === 'plain' ? 'add --tls, or use scram-sha-512' : 'add --tls'
  return [settingFault(what, flagOf('saslMechanism'), hint)]
}

function missing(values: Values, mechanism: SaslMechanism): TidemarkError[] {
  switch (mechanism) {
    case 'oauthbearer':
      return tokenFaults(values)
    case 'aws-msk-iam':
      return awsFaults(values)
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512':
      return passwordFaults(values)
  }
}

function passwordFaults({ saslUsername, saslPassword, saslPasswordFile }: Values): TidemarkError[] {
  const faults: TidemarkError[] = []
  if (saslUsername === null) {
    faults.push(settingFault('SASL needs a user name', flagOf('saslUsername')))
  }
  if (saslPassword === null && saslPasswordFile === null) {
    faults.push(secretFault('SASL needs a password', 'saslPassword', 'saslPasswordFile'))
  }
  return faults
}

function tokenFaults(values: Values): TidemarkError[] {
  const { saslTokenUrl: url, saslTokenFile: file } = values
  const where = `${flagOf('saslTokenUrl')}, ${flagOf('saslTokenFile')}`
  if (url === null && file === null) {
    return [settingFault('oauthbearer needs a token endpoint or a token file', where)]
  }
  if (url && file) return [settingFault('set a token endpoint or a token file, not both', where)]
  if (url) return clientFaults(values)
  return OF_ENDPOINT.filter(([name]) => isSet(values[name])).map(([name, what]) =>
    settingFault(`${what} is set, but no token endpoint`, flagOf(name)),
  )
}

function clientFaults(values: Values): TidemarkError[] {
  const faults: TidemarkError[] = []
  if (values.saslClientId === null) {
    faults.push(settingFault('a token endpoint needs a client id', flagOf('saslClientId')))
  }
  if (values.saslClientSecret === null && values.saslClientSecretFile === null) {
    const what = 'a token endpoint needs a client secret'
    faults.push(secretFault(what, 'saslClientSecret', 'saslClientSecretFile'))
  }
  return faults
}

function awsFaults({ awsRegion }: Values): TidemarkError[] {
  const faults = signerFaults().map(({ message, hint }) =>
    settingFault(message, flagOf('saslMechanism'), hint),
  )
  if (awsRegion === null) {
    faults.push(settingFault('aws-msk-iam needs a region', flagOf('awsRegion')))
  }
  return faults
}

function secretFault(what: string, variable: SettingName, file: SettingName): TidemarkError {
  const hint = `set ${variableOf(variable)} or ${variableOf(file)}`
  return settingFault(what, flagOf(file), hint)
}

/** Settings for a mechanism that is not used. */
function strayFaults(values: Values, mechanism: SaslMechanism | null): TidemarkError[] {
  return OWNED.filter(
    ([name, , of]) => isSet(values[name]) && !of.some((m) => m === mechanism),
  ).map(([name, what, [first, ...others]]) => {
    if (mechanism !== null) {
      return settingFault(`${what} is set, but ${mechanism} takes none`, flagOf(name))
    }
    const or = others.length === 0 ? '' : ', or the one that the brokers use'
    const hint = `add --sasl-mechanism ${first}${or}`
    return settingFault(`${what} is set but no SASL mechanism`, flagOf('saslMechanism'), hint)
  })
}

function isSet(value: unknown): boolean {
  return value instanceof Map ? value.size > 0 : value !== undefined && value !== null
}
