import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../../src/cli/config.ts'
import { unknownVariables } from '../../src/cli/environment.ts'
import { SETTINGS, type SettingName, variableOf } from '../../src/host/settings.ts'
import { Refused } from '../../src/kernel/errors.ts'
import { start } from '../services/tidemark-in-test.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Settings that do not exist, and flags that stand twice.

function told(read: () => unknown) {
  try {
    read()
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown
    return thrown.faults.map(({ code, where, message, hint }) => ({ code, where, message, hint }))
  }
  return []
}

const variable = (name: string) =>
  told(() => readConfig(['group'], {}, { env: { [name]: 'x' }, folder: folderWith({}) }))

describe('a variable that is no setting is refused with what it may have meant', () => {
  test.each([
    ['TIDEMARK_BROKER', 'did you mean TIDEMARK_BROKERS?'],
    ['TIDEMARK_GUARANTE', 'did you mean TIDEMARK_GUARANTEE?'],
    ['TIDEMARK_TPOIC', 'did you mean TIDEMARK_TOPIC?'],
    ['TIDEMARK_HTTPPORT_', 'did you mean TIDEMARK_HTTP_PORT?'],
    ['TIDEMARK_PORT', 'did you mean TIDEMARK_HTTP_PORT or TIDEMARK_PREDICT_PORT?'],
    ['TIDEMARK_KAFKA_BROKERS', 'did you mean TIDEMARK_BROKERS?'],
    [
      'TIDEMARK_PASSWORD',
      'did you mean TIDEMARK_SASL_PASSWORD or TIDEMARK_REDIS_PASSWORD or TIDEMARK_SASL_PASSWORD_FILE?',
    ],
  ])('%s: %s', (name, hint) => {
    expect(variable(name)).toEqual([
      { code: 'CONFIG_INVALID', where: name, message: 'there is no such setting', hint },
    ])
  })

  test('or with all there are, when nothing comes near', () => {
    const [fault] = variable('TIDEMARK_XYZZY')
    expect(fault?.hint).toMatch(/^known settings: TIDEMARK_BROKERS, TIDEMARK_GROUP, /)
  })
})

describe('a variable is left alone', () => {
  test.each((Object.keys(SETTINGS) as SettingName[]).map(variableOf))('%s: a setting', (name) => {
    expect(unknownVariables({ [name]: 'x' })).toEqual([])
  })

  test.each([
    ['empty', 'TIDEMARK_BROKER', ''],
    ['without the prefix', 'TIDE_BROKER', 'x'],
    ['of a service in Kubernetes', 'TIDEMARK_SERVICE_HOST', '10.0.0.1'],
    ['its port', 'TIDEMARK_SERVICE_PORT_METRICS', '9464'],
    ['its address', 'TIDEMARK_PORT', 'tcp://10.0.0.1:9464'],
    ['its address by port', 'TIDEMARK_PORT_9464_TCP_ADDR', '10.0.0.1'],
    ['of a service with a longer name', 'TIDEMARK_EU_PORT_9464_TCP', 'tcp://10.0.0.1:9464'],
  ])('%s', (_, name, value) => {
    expect(unknownVariables({ [name]: value })).toEqual([])
  })

  test('with a note where it is named like a setting and is a link of Kubernetes', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => write.mockRestore())
    const env = { TIDEMARK_HTTP_PORT: 'tcp://10.0.0.1:80' }
    const config = readConfig(['httpPort'], {}, { env, folder: folderWith({}) })
    expect(config.httpPort).toBe(9464)
    expect(write.mock.calls.join()).toContain(
      'TIDEMARK_HTTP_PORT is a link of Kubernetes to a service: it is ignored\n',
    )
  })

  test('when our own tests or scripts go by it', () => {
    const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mjs|sh)$/.test(file) && !file.startsWith('cli'))
      .map((file) => join('test', file))
    const text = [...files, '.config/vitest.ts', 'docs/contributing.md', 'docs/testing.md']
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .join('\n')
    const names = new Set(text.match(/\bTIDEMARK_[A-Z_]*[A-Z]\b/g))
    expect(names).toContain('TIDEMARK_REQUIRE_KAFKA')
    expect(unknownVariables(Object.fromEntries([...names].map((name) => [name, 'x'])))).toEqual([])
  })
})

test('a field of the config file that is no setting is refused with what it may have meant', () => {
  const fields = { broker: 'a:1', 'http-port': 1, TIDEMARK_GROUP: 'g', logging: 1, xyzzy: 1 }
  const folder = folderWith({ 'tidemark.config.json': JSON.stringify(fields) })
  const faults = told(() => readConfig(['group'], {}, { env: {}, folder }))
  expect(faults.map(({ message, hint }) => `${message}: ${hint}`)).toEqual([
    'there is no setting "broker": did you mean brokers?',
    'there is no setting "http-port": did you mean httpPort?',
    'there is no setting "TIDEMARK_GROUP": did you mean group?',
    expect.stringMatching(/^there is no setting "logging": known settings: brokers, /),
    expect.stringMatching(/^there is no setting "xyzzy": known settings: brokers, group, /),
  ])
})

describe('the command line', () => {
  test('tells every flag that stands twice, with all else that is wrong, and ends with 3', async () => {
    const folder = folderWith({ 'tidemark.config.json': '{"grop":"g"}' })
    const twice = ['--group', 'a', '--tls', '--group=b', '--group', 'c', '--tls', '--config']
    const args = ['run', 'missing.ts', ...twice, 'tidemark.config.json']
    const env = { TIDEMARK_BROKER: 'a:1' }
    const { code, stdout, stderr } = await start(args, { cwd: folder, env }).ended
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr.replaceAll(folder, '…')).toBe(`✗ CONFIG_INVALID  there is no setting "grop"
  …/tidemark.config.json
  hint: did you mean group?
✗ CONFIG_INVALID  is given more than once
  --group
  hint: only one of them would be used: keep the one you mean
✗ CONFIG_INVALID  is given more than once
  --tls
  hint: only one of them would be used: keep the one you mean
✗ CONFIG_INVALID  there is no such setting
  TIDEMARK_BROKER
  hint: did you mean TIDEMARK_BROKERS?
`)
  })

  test.each([
    [['produce', 'f', '--topic', 'a', '--topic', 'b'], '--topic'],
    [['consume', '--topic', 'a', '-e', '--exit'], '--exit'],
    [['graph', 'f.ts', '--format', 'json', '--format', 'mermaid'], '--format'],
    [['model', 'inspect', 'm.onnx', '--golden', 'a', '--golden', 'b'], '--golden'],
  ])('%j: twice', async (args, flag) => {
    const { code, stderr } = await tidemark(args)
    expect(code).toBe(3)
    expect(stderr).toMatch(
      new RegExp(`^✗ CONFIG_INVALID {2}is given more than once\n {2}${flag}\n`),
    )
  })

  test('takes a flag that may stand several times several times', async () => {
    const topics = ['--topic', 'payments=p', '--topic', 'predictions=q']
    const args = ['check', 'topologies/card-fraud.ts', ...topics]
    expect(await tidemark(args)).toMatchObject({ code: 0 })
    const tables = ['--table', 'a=x', '--table', 'b=y']
    const { stderr } = await tidemark(['dev', 'topologies/card-fraud.ts', ...tables])
    expect(stderr.match(/has no table "[ab]"/g)).toHaveLength(2)
  })
})
