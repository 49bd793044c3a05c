import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addSettings, readConfig } from '../../src/cli/config.ts'
import { kafka } from '../../src/connect/kafka/connector.ts'
import { chosenServices } from '../../src/host/services.ts'
import { CLUSTER_SETTINGS, SETTINGS, type SettingName } from '../../src/host/settings.ts'
import { Refused } from '../../src/kernel/errors.ts'
import { folderWith } from '../support/folder.ts'

const ALL = Object.keys(SETTINGS) as SettingName[]
const [PEM = ''] = rootCertificates

function faultsOf(read: () => unknown) {
  try {
    read()
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.faults
    throw thrown
  }
  throw new Error('nothing was refused')
}

const listOf = (read: () => unknown) =>
  faultsOf(read).map(({ code, where, message }) => `${code} ${where}: ${message}`)

test('HTTP is served to nobody else unless it is asked for', () => {
  const nowhere = { env: {}, folder: folderWith({}) }
  expect(readConfig(['httpHost'], {}, nowhere).httpHost).toBe('127.0.0.1')
})

test('a flag beats the environment, the environment the file, the file the fallback', () => {
  const config = { httpPort: 4, httpHost: 'of-file', logLevel: 'warn', group: 'of-file' }
  const folder = folderWith({ 'tidemark.config.json': JSON.stringify(config) })
  const env = { TIDEMARK_HTTP_PORT: '3', TIDEMARK_HTTP_HOST: 'of-env', TIDEMARK_LOG_LEVEL: 'error' }
  const flags = { httpPort: '2', group: 'of-flag' }
  const names = ['httpPort', 'httpHost', 'logLevel', 'group', 'guarantee'] as const
  expect(readConfig(names, flags, { env, folder })).toEqual({
    httpPort: 2,
    httpHost: 'of-env',
    logLevel: 'error',
    group: 'of-flag',
    guarantee: 'exactly-once',
  })
})

test('a switch that is on is turned off by its flag, which beats the environment and the file', () => {
  const cacheOf = (args: string[], env: Record<string, string>, file: object) => {
    const command = addSettings(new Command(), ['cache'])
    command.parse(args, { from: 'user' })
    const folder = folderWith({ 'tidemark.config.json': JSON.stringify(file) })
    return readConfig(['cache'], command.opts(), { env, folder }).cache
  }
  expect(cacheOf([], {}, {})).toBe(true)
  expect(cacheOf(['--no-cache'], {}, {})).toBe(false)
  expect(cacheOf([], { TIDEMARK_CACHE: 'false' }, { cache: true })).toBe(false)
  expect(cacheOf([], {}, { cache: false })).toBe(false)
  expect(cacheOf(['--no-cache'], { TIDEMARK_CACHE: 'true' }, { cache: true })).toBe(false)
})

test('a map is given as repeated flags, as a list in the environment, as an object in the file', () => {
  const actual = { payments: 'prod.payments', predictions: 'prod.predictions' }
  const folder = folderWith({
    'tidemark.config.json': JSON.stringify({ topic: actual }),
    'nothing/here': '',
  })
  const list = Object.entries(actual).map(([name, topic]) => `${name}=${topic}`)
  const elsewhere = join(folder, 'nothing')
  const inEnv = { env: { TIDEMARK_TOPIC: list.join(', ') }, folder: elsewhere }
  expect(readConfig(['topic'], { topic: list }, { env: {}, folder: elsewhere }).topic).toEqual(
    actual,
  )
  expect(readConfig(['topic'], {}, inEnv).topic).toEqual(actual)
  expect(readConfig(['topic'], {}, { env: {}, folder }).topic).toEqual(actual)
})

test('a relative file in the config file starts at its folder, on the command line at the working directory', () => {
  const folder = folderWith({ 'deep/own.json': JSON.stringify({ model: { m: 'm.onnx' } }) })
  const around = { env: {}, folder }
  const inFile = readConfig(['model'], { config: 'deep/own.json' }, around)
  expect(inFile.model['m']).toBe(join(folder, 'deep/m.onnx'))
  const onLine = readConfig(['model'], { model: ['m=m.onnx'] }, around)
  expect(onLine.model['m']).toBe(join(folder, 'm.onnx'))
})

test('as many workers as processors are at hand when that is left to the machine', () => {
  const nowhere = { env: {}, folder: folderWith({}) }
  const workers = (flags: object) => readConfig(['workers'], { ...flags }, nowhere).workers
  expect(workers({})).toBe(1)
  expect(workers({ workers: '4' })).toBe(4)
  expect(workers({ workers: 'auto' })).toBe(availableParallelism())
  expect(listOf(() => workers({ workers: '0' }))).toEqual([
    'CONFIG_INVALID --workers: "0" is not a whole number from 1 to 256, or auto',
  ])
})

test('a name that is too long with the number of a worker is refused', () => {
  const nowhere = { env: {}, folder: folderWith({}) }
  const names = ['workers', 'workerName'] as const
  const read = (workerName: string, workers: string) =>
    readConfig(names, { workerName, workers }, nowhere)
  expect(read('n'.repeat(98), '9').workerName).toHaveLength(98)
  expect(read('n'.repeat(100), '1').workerName).toHaveLength(100)
  expect(listOf(() => read('n'.repeat(98), '10'))).toEqual([
    'CONFIG_INVALID --worker-name: is longer than 100 characters once a worker\'s number is appended, such as "-10"',
  ])
})

test.each([
  ['all', Number.POSITIVE_INFINITY],
  ['none', 0],
  ['90m', 5_400_000],
  ['2d', 172_800_000],
])('windows are rebuilt from %s of the log', (rebuild, ms) => {
  expect(readConfig(['rebuild'], { rebuild }, { env: {}, folder: '.' })).toEqual({ rebuild: ms })
})

test.each(['0h', '6', '6 h', '-1h', 'some', '1.5h'])('not from %s', (rebuild) => {
  expect(listOf(() => readConfig(['rebuild'], { rebuild }, { env: {}, folder: '.' }))).toEqual([
    `CONFIG_INVALID --rebuild: "${rebuild}" is not all, none, or a duration such as 90m, 6h, 2d`,
  ])
})

test('every fault is told at once, with where it comes from', () => {
  const folder = folderWith({
    'tidemark.config.json': JSON.stringify({ brokers: 'nowhere', portt: 1, group: { a: [] } }),
  })
  const env = { TIDEMARK_HTTP_PORT: '70000', TIDEMARK_LOG_FORMAT: 'xml' }
  const flags = {
    ...{ guarantee: 'twice', compression: 'brotli', commitInterval: '0', workerName: 'a b' },
    ...{ topic: ['a=b', 'a=c'], tlsCa: 'none.pem' },
  }
  const file = join(folder, 'tidemark.config.json')
  const pem = join(folder, 'none.pem')
  expect(listOf(() => readConfig(ALL, flags, { env, folder }))).toEqual([
    `CONFIG_INVALID ${file}: there is no setting "portt"`,
    `CONFIG_INVALID ${file}, group: must be a string, a number, true or false, or an array or object of these`,
    `CONFIG_INVALID ${file}, brokers: "nowhere" is not host:port`,
    'CONFIG_INVALID --worker-name: "a b" is not 1 to 100 letters, digits, ".", "_" and "-"',
    'CONFIG_INVALID --guarantee: "twice" is not exactly-once or at-least-once',
    'CONFIG_INVALID --commit-interval: "0" is not a whole number from 1 to 60000',
    'CONFIG_INVALID --compression: "brotli" is not none, gzip, snappy, lz4 or zstd',
    'CONFIG_INVALID --topic: "a" is given twice',
    'CONFIG_INVALID TIDEMARK_HTTP_PORT: "70000" is not a whole number from 0 to 65535, or off',
    'CONFIG_INVALID TIDEMARK_LOG_FORMAT: "xml" is not text or json',
    `CONFIG_INVALID --tls-ca: cannot read ${pem}: ENOENT: no such file or directory, open '${pem}'`,
  ])
})

test('a config file that is named must exist, one that is not need not', () => {
  const folder = folderWith({})
  expect(readConfig(['group'], {}, { env: {}, folder })).toEqual({ group: null })
  expect(listOf(() => readConfig(['group'], { config: 'own.json' }, { env: {}, folder }))).toEqual([
    expect.stringMatching(/^CONFIG_INVALID .*own\.json: ENOENT/),
  ])
})

test('the byte order mark of a Windows program is no part of a config file or a password', () => {
  const folder = folderWith({
    'tidemark.config.json': '\ufeff{"saslPasswordFile": "password"}',
    password: '\ufeffsecret\n',
  })
  expect(readConfig(['saslPasswordFile'], {}, { env: {}, folder })).toEqual({
    saslPasswordFile: 'secret',
  })
})

test('a config file is a JSON object', () => {
  const folder = folderWith({ 'tidemark.config.json': '["group"]' })
  const [fault] = faultsOf(() => readConfig(['group'], {}, { env: {}, folder }))
  expect(fault?.message).toBe('is not a JSON object')
})

test('how commits are made and what the worker is called may be set wherever the rest is', () => {
  const file = { guarantee: 'at-least-once', commitInterval: 250 }
  const folder = folderWith({ 'tidemark.config.json': JSON.stringify(file) })
  const env = { TIDEMARK_WORKER_NAME: 'scorer-0.eu_1' }
  const names = ['guarantee', 'commitInterval', 'workerName'] as const
  const set = { guarantee: 'at-least-once', commitInterval: 250, workerName: 'scorer-0.eu_1' }
  expect(readConfig(names, {}, { env, folder })).toEqual(set)
})

test.each(['', 'a/b', 'ü', 'a'.repeat(101)])('"%s" is no name of a worker', (workerName) => {
  const around = { env: {}, folder: folderWith({}) }
  const [fault] = faultsOf(() => readConfig(['workerName'], { workerName }, around))
  expect(fault?.where).toBe('--worker-name')
})

test.each([
  ['registry:8081', 'is not an http or https URL'],
  ['ftp://registry', 'is not an http or https URL'],
  [
    'http://me:secret@registry:8081',
    'contains credentials: give them in TIDEMARK_REGISTRY_USERNAME and TIDEMARK_REGISTRY_PASSWORD',
  ],
])('"%s" is no address of a registry', (registry, why) => {
  const around = { env: {}, folder: folderWith({}) }
  const [fault] = faultsOf(() => readConfig(['registry'], { registry }, around))
  expect(fault).toMatchObject({ where: '--registry', message: why })
})

test('a schema registry is chosen with its login and its CA', () => {
  const folder = folderWith({ 'ca.pem': PEM })
  const flags = { registry: 'https://registry/api', registryUsername: 'me', registryCa: 'ca.pem' }
  const env = { TIDEMARK_REGISTRY_PASSWORD: 'secret' }
  expect(chosenServices(readConfig(CLUSTER_SETTINGS, flags, { env, folder }))).toEqual({
    systems: {},
    registry: {
      url: 'https://registry/api',
      login: { username: 'me', password: 'secret' },
      ca: PEM,
    },
  })
  expect(chosenServices(readConfig(CLUSTER_SETTINGS, {}, { env: {}, folder }))).toEqual({
    systems: {},
  })
})

test('settings that do not go together are refused together', () => {
  const folder = folderWith({ 'cert.pem': PEM, 'ca.pem': 'no certificate' })
  const redis = 'redis://127.0.0.1'
  const flags = {
    ...{ saslMechanism: 'plain', tlsCert: 'cert.pem', redis, redisCa: 'cert.pem' },
    ...{ registry: 'https://registry', registryCa: 'ca.pem' },
  }
  expect(listOf(() => readConfig(CLUSTER_SETTINGS, flags, { env: {}, folder }))).toEqual([
    'CONFIG_INVALID --sasl-mechanism: plain sends the password unencrypted, so it needs TLS',
    'CONFIG_INVALID --sasl-username: SASL needs a user name',
    'CONFIG_INVALID --sasl-password-file: SASL needs a password',
    'CONFIG_INVALID --tls-cert: a certificate or key is set but TLS is off',
    'CONFIG_INVALID --registry-ca: has no certificate (PEM)',
    'CONFIG_INVALID --redis-ca: a certificate or key is set but TLS is off',
  ])
  const pair = { redis: 'rediss://127.0.0.1', redisCert: 'cert.pem', redisCa: 'none.pem' }
  const both = { redis: pair.redis, redisCert: 'cert.pem' }
  expect(listOf(() => readConfig(CLUSTER_SETTINGS, pair, { env: {}, folder }))).toHaveLength(1)
  expect(listOf(() => readConfig(CLUSTER_SETTINGS, both, { env: {}, folder }))).toEqual([
    'CONFIG_INVALID --redis-key: set both a client certificate and its private key, or neither',
  ])
})

test('the password comes from the environment or a file, never from a flag or the config file', () => {
  const folder = folderWith({
    'tidemark.config.json': JSON.stringify({ saslPassword: 'open secret' }),
    password: 'of the file\n',
  })
  const flags = {
    saslMechanism: 'plain',
    saslUsername: 'u',
    tls: true,
    saslPassword: 'open secret',
  }
  const refused = faultsOf(() => readConfig(CLUSTER_SETTINGS, flags, { env: {}, folder }))
  expect(refused.map((f) => f.message)).toEqual([
    'there is no setting "saslPassword"',
    'SASL needs a password',
  ])
  expect(refused.map((f) => `${f.message}${f.hint}`).join()).not.toContain('open secret')

  const elsewhere = join(folder, '..')
  const passwordOf = (env: Record<string, string>) =>
    kafka.optionsOf(readConfig(CLUSTER_SETTINGS, flags, { env, folder: elsewhere })).sasl
  const inEnvironment = passwordOf({ TIDEMARK_SASL_PASSWORD: 'of the environment' })
  expect(inEnvironment).toMatchObject({ password: 'of the environment' })
  const inFile = passwordOf({ TIDEMARK_SASL_PASSWORD_FILE: join(folder, 'password') })
  expect(inFile).toMatchObject({ password: 'of the file' })
})

/** The SASL options that flags give; files with a secret and a token are there. */
function login(flags: object, env: Record<string, string> = {}) {
  const folder = folderWith({ token: 'of-file', secret: 'of the file\n', 'ca.pem': PEM })
  const all = { tls: true, ...flags }
  const read = () => kafka.optionsOf(readConfig(CLUSTER_SETTINGS, all, { env, folder })).sasl
  return { folder, read }
}

test('tokens come from an endpoint, with the secret of the environment or of a file', () => {
  const flags = {
    ...{ saslMechanism: 'oauthbearer', saslTokenUrl: 'https://login.example/token' },
    ...{ saslTokenCa: 'ca.pem', saslClientId: 'scorer', saslScope: 'kafka' },
    saslExtension: ['logicalCluster=lkc-1', 'identityPoolId=pool-1'],
  }
  const inEnvironment = { TIDEMARK_SASL_CLIENT_SECRET: 'of the environment' }
  expect(login(flags, inEnvironment).read()).toEqual({
    mechanism: 'oauthbearer',
    token: {
      ...{ url: 'https://login.example/token', ca: PEM, scope: 'kafka' },
      ...{ clientId: 'scorer', clientSecret: 'of the environment' },
    },
    extensions: { logicalCluster: 'lkc-1', identityPoolId: 'pool-1' },
  })
  const inFile = login({ ...flags, saslClientSecretFile: 'secret' }, inEnvironment).read()
  expect(inFile).toMatchObject({ token: { clientSecret: 'of the file' } })
})

test('a token file is named, not read', () => {
  const { folder, read } = login({ saslMechanism: 'oauthbearer', saslTokenFile: 'token' })
  expect(read()).toMatchObject({ token: { file: join(folder, 'token') } })
})

test.each<[string, object, string[]]>([
  [
    'nothing that gives a token, and no TLS',
    { saslMechanism: 'oauthbearer', tls: false },
    [
      '--sasl-mechanism: oauthbearer sends the access token unencrypted, so it needs TLS',
      '--sasl-token-url, --sasl-token-file: oauthbearer needs a token endpoint or a token file',
    ],
  ],
  [
    'an endpoint without a client',
    { saslMechanism: 'oauthbearer', saslTokenUrl: 'https://login.example' },
    [
      '--sasl-client-id: a token endpoint needs a client id',
      '--sasl-client-secret-file: a token endpoint needs a client secret',
    ],
  ],
  [
    'two places of a token, and a user',
    {
      ...{ saslMechanism: 'oauthbearer', saslUsername: 'u' },
      ...{ saslTokenFile: 'token', saslTokenUrl: 'https://login.example' },
    },
    [
      '--sasl-token-url, --sasl-token-file: set a token endpoint or a token file, not both',
      '--sasl-username: a user name is set, but oauthbearer takes none',
    ],
  ],
  [
    'what only tokens need, with a password',
    { saslMechanism: 'scram-sha-512', saslUsername: 'u', saslScope: 's', tls: true },
    [
      '--sasl-password-file: SASL needs a password',
      '--sasl-scope: a scope is set, but scram-sha-512 takes none',
    ],
  ],
  [
    'a file with settings of an endpoint',
    { saslMechanism: 'oauthbearer', saslTokenFile: 'token', saslClientId: 'c', saslScope: 's' },
    [
      '--sasl-client-id: a client id is set, but no token endpoint',
      '--sasl-scope: a scope is set, but no token endpoint',
    ],
  ],
  [
    'an endpoint in plain text, an extension that cannot be sent, a file that is not there',
    {
      ...{ saslMechanism: 'oauthbearer', saslTokenUrl: 'http://login.example' },
      ...{ saslTokenFile: 'none', saslExtension: ['auth=x'], saslClientId: 'c' },
    },
    [
      '--sasl-token-url: would send the client secret in plain text: use https',
      expect.stringMatching(/^--sasl-token-file: cannot read .*none: ENOENT/) as string,
      '--sasl-extension: "auth" is not letters with a value in ASCII',
    ],
  ],
  [
    'a token without a mechanism',
    { saslTokenFile: 'token', awsRegion: 'eu-west-1' },
    [
      '--sasl-mechanism: a token file is set but no SASL mechanism',
      '--sasl-mechanism: a region is set but no SASL mechanism',
    ],
  ],
  [
    'AWS without its signer and a region',
    { saslMechanism: 'aws-msk-iam' },
    [
      '--sasl-mechanism: SASL for AWS needs the package aws-msk-iam-sasl-signer-js',
      '--aws-region: aws-msk-iam needs a region',
    ],
  ],
])('a login with %s is refused', (_, flags, faults) => {
  const told = listOf(login(flags).read).map((line) => line.replace('CONFIG_INVALID ', ''))
  expect(told).toEqual(faults)
})

test('the Kafka driver gets what the settings say', () => {
  const folder = folderWith({ 'ca.pem': PEM })
  const flags = { brokers: ['a:1,b:2'], tls: true, tlsCa: 'ca.pem' }
  const options = kafka.optionsOf(readConfig(CLUSTER_SETTINGS, flags, { env: {}, folder }))
  expect(options).toEqual({ brokers: ['a:1', 'b:2'], tls: { ca: PEM } })
})

test('the file of a model is relative to the working directory, a URL is as it is written', () => {
  const folder = folderWith({})
  const urls = { b: 'models:/card@production', c: 'https://host/x.onnx#sha256=ab' }
  const models = ['a=a.onnx', ...Object.entries(urls).map(([name, url]) => `${name}=${url}`)]
  const config = readConfig(['model'], { model: models }, { env: {}, folder })
  expect(config.model).toEqual({ a: join(folder, 'a.onnx'), ...urls })
})
