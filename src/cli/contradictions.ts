import { type KafkaSasl, signerFaults } from '../connect/kafka/client/options.ts'
import type { Connector } from '../connect/system.ts'
import { connectors } from '../connect/table.ts'
import { flagOf, SETTINGS, type SettingName, type Values, variableOf } from '../host/settings.ts'
import { numberedName } from '../host/worker-name.ts'
import { configFault, type TidemarkError } from '../kernel/errors.ts'
import { isLoopback } from '../kernel/node.ts'
import { TLS_FILES, tlsFileFaults } from '../kernel/tls.ts'
import { isWorkerName } from '../runtime/config.ts'

type Named = Readonly<Partial<Record<SettingName, string>>>

// The settings that only some mechanisms of SASL take, and how messages name them.
const PASSWORD: Named = { saslUsername: 'a user name', saslPasswordFile: 'a password file' }
const ENDPOINT: Named = {
  saslTokenCa: 'a certificate authority',
  saslClientId: 'a client id',
  saslClientSecretFile: 'a client secret file',
  saslScope: 'a scope',
}
const TOKEN: Named = {
  saslTokenUrl: 'a token endpoint',
  ...ENDPOINT,
  saslTokenFile: 'a token file',
  saslExtension: 'a SASL extension',
}

interface Login {
  readonly takes: Named
  /** The settings that it needs, and the faults without them; a secret may also be in a file. */
  readonly needs: Named
  /** The secret that it would send unencrypted without TLS; `null`: none. */
  readonly secret: string | null
}

const SCRAM: Login = {
  takes: PASSWORD,
  needs: { saslUsername: 'SASL needs a user name', saslPassword: 'SASL needs a password' },
  secret: null,
}
const LOGINS: Readonly<Record<KafkaSasl['mechanism'], Login>> = {
  'scram-sha-512': SCRAM,
  'scram-sha-256': SCRAM,
  plain: { ...SCRAM, secret: 'password' },
  oauthbearer: { takes: TOKEN, needs: {}, secret: 'access token' },
  'aws-msk-iam': {
    takes: { awsRegion: 'a region' },
    needs: { awsRegion: 'aws-msk-iam needs a region' },
    secret: 'signature',
  },
}

/**
 * Faults of settings that are each valid but contradict each other. One that did not parse has no
 * value, and is not checked.
 */
export function contradictions(values: Values): TidemarkError[] {
  const groups = [loginFaults, tlsFaults, nameFaults, requestFaults]
  return groups.flatMap((faultsIn) => faultsIn(values))
}

function loginFaults(values: Values): TidemarkError[] {
  const { saslMechanism: mechanism, tls } = values
  if (mechanism === undefined) return []
  const stray = strayFaults(values, mechanism)
  if (mechanism === null) return stray
  const { needs, secret } = LOGINS[mechanism]
  const where = flagOf('saslMechanism')
  const message = `${mechanism} sends the ${secret} unencrypted, so it needs TLS`
  const hint = mechanism === 'plain' ? 'add --tls, or use scram-sha-512' : 'add --tls'
  const signer = mechanism === 'aws-msk-iam' ? signerFaults() : []
  return [
    ...(secret !== null && tls === false ? [configFault(message, where, hint)] : []),
    ...signer.map((fault) => configFault(fault.message, where, fault.hint)),
    ...missing(values, needs),
    ...(mechanism === 'oauthbearer' ? tokenFaults(values) : []),
    ...stray,
  ]
}

function tokenFaults(values: Values): TidemarkError[] {
  const { saslTokenUrl: url, saslTokenFile: file } = values
  const where = `${flagOf('saslTokenUrl')}, ${flagOf('saslTokenFile')}`
  if (url === null && file === null) {
    return [configFault('oauthbearer needs a token endpoint or a token file', where)]
  }
  // A URL that did not parse is a fault already.
  if (url === undefined) return []
  if (url && file) return [configFault('set a token endpoint or a token file, not both', where)]
  if (url) {
    return missing(values, {
      saslClientId: 'a token endpoint needs a client id',
      saslClientSecret: 'a token endpoint needs a client secret',
    })
  }
  return setIn(values, ENDPOINT).map(([name, label]) =>
    configFault(`${label} is set, but no token endpoint`, flagOf(name)),
  )
}

function missing(values: Values, needs: Named): TidemarkError[] {
  return (Object.entries(needs) as [SettingName, string][]).flatMap(([name, message]) => {
    const file = SETTINGS[name].environmentOnly ? (`${name}File` as SettingName) : null
    if (values[name] !== null || (file !== null && values[file] !== null)) return []
    if (file === null) return [configFault(message, flagOf(name))]
    const hint = `set ${variableOf(name)} or ${variableOf(file)}`
    return [configFault(message, flagOf(file), hint)]
  })
}

function strayFaults(values: Values, mechanism: KafkaSasl['mechanism'] | null): TidemarkError[] {
  const all = { ...PASSWORD, ...TOKEN, ...LOGINS['aws-msk-iam'].takes }
  const taken = mechanism === null ? {} : LOGINS[mechanism].takes
  const stray = setIn(values, all).filter(([name]) => !(name in taken))
  return stray.map(([name, label]) => {
    if (mechanism !== null) {
      return configFault(`${label} is set, but ${mechanism} takes none`, flagOf(name))
    }
    const fitting = Object.entries(LOGINS).filter(([, { takes }]) => name in takes)
    const or = fitting.length === 1 ? '' : ', or the one that the brokers use'
    const hint = `add --sasl-mechanism ${fitting[0]?.[0]}${or}`
    return configFault(`${label} is set but no SASL mechanism`, flagOf('saslMechanism'), hint)
  })
}

function setIn(values: Values, named: Named): [SettingName, string][] {
  const isSet = (value: unknown) =>
    value instanceof Map ? value.size > 0 : value !== undefined && value !== null
  return (Object.entries(named) as [SettingName, string][]).filter(([name]) => isSet(values[name]))
}

/** How TLS is turned on where it is off, by the word with which the settings of its files begin. */
const TLS_HINTS: Readonly<Record<string, (values: Values) => string | null>> = {
  tls: ({ tls }) => (tls === false ? 'add --tls' : null),
  saslToken: ({ saslTokenUrl: url }) => (url?.startsWith('http:') ? 'write https://' : null),
  registry: ({ registry: url }) => (url?.startsWith('http:') ? 'write https://' : null),
  ...Object.fromEntries([...connectors].map(([name, connector]) => [name, plainHintOf(connector)])),
}

function plainHintOf(connector: Connector) {
  return (values: Values) => connector.plainHint(connector.optionsOf(values))
}

function tlsFaults(values: Values): TidemarkError[] {
  return Object.entries(TLS_HINTS).flatMap(([word, hint]) => {
    const settingOf = (file: string) =>
      `${word}${file.replace(/^./, (first) => first.toUpperCase())}` as SettingName
    const files = TLS_FILES.map((file) => [file, values[settingOf(file)]] as const)
    // One that was not read is a fault already.
    if (files.some(([file, text]) => text === undefined && settingOf(file) in SETTINGS)) return []
    const where = (file: string) => flagOf(settingOf(file))
    return tlsFileFaults(Object.fromEntries(files), where, hint(values))
  })
}

function requestFaults({ predictHost: host, predictTokenFile: token }: Values): TidemarkError[] {
  if (host === undefined || token !== null || isLoopback(host)) return []
  const hint = `give one with ${flagOf('predictTokenFile')}, or listen on 127.0.0.1`
  return [configFault('requests from other machines need a token', flagOf('predictHost'), hint)]
}

function nameFaults({ workers = 1, workerName = null }: Values): TidemarkError[] {
  if (workers === 1 || workerName === null) return []
  if (isWorkerName(numberedName(workerName, workers))) return []
  const message = `is longer than 100 characters once a worker's number is appended, such as "-${workers}"`
  return [configFault(message, flagOf('workerName'))]
}
