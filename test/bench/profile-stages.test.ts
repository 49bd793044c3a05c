import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'
import { PROFILE_STAGES, stageOf } from './profile-stages.ts'

const own = (file: string) => `file:///home/src/tidemark/src/${file}.ts`
const inPackage = (file: string) => `file:///home/src/tidemark/node_modules/${file}`

test.each([
  [own('connect/kafka/codec/record-set'), 'fetch, decode records'],
  [own('connect/kafka/codec/encode'), 'encode records'],
  [own('connect/kafka/produce/producer'), 'commit'],
  [own('connect/kafka/client/sockets'), 'wire'],
  [inPackage('kafkajs/src/network/connection.js'), 'wire'],
  [own('formats/json/event-decoder'), 'decode JSON, schema'],
  [own('formats/json/scanner'), 'decode JSON, schema'],
  [inPackage('zod/v4/core/schemas.js'), 'decode JSON, schema'],
  [own('formats/json/output'), 'outputs'],
  [own('formats/json/output-encoder'), 'outputs'],
  [own('engine/history'), 'windows'],
  [own('runtime/commit/in-flight'), 'commit'],
  [own('runtime/partition/task'), 'tasks, flow'],
])('%s belongs to a stage', (url, stage) => {
  expect(stageOf({ functionName: 'f', url })).toBe(stage)
})

test('files shared by several stages, and those of the author, have no stage', () => {
  const shared = [own('connect/kafka/codec/batch-header'), own('kernel/slices'), 'node:buffer']
  for (const url of [...shared, 'file:///home/src/my/topology.ts']) {
    expect(stageOf({ functionName: 'f', url })).toBeNull()
  }
})

test("V8's own entries are distinguished from functions of the same name", () => {
  expect(stageOf({ functionName: '(garbage collector)', url: '' })).toBe('(garbage collector)')
  expect(stageOf({ functionName: 'stringify', url: '' })).toBeNull()
  expect(stageOf({ functionName: '(idle)', url: own('engine/history') })).toBe('windows')
})

test.each(PROFILE_STAGES.map(({ name }) => name))('the stage %s has files', (name) => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const urls = files.filter((file) => file.endsWith('.ts')).map((file) => `file:///x/src/${file}`)
  expect(urls.filter((url) => stageOf({ functionName: 'f', url }) === name)).not.toEqual([])
})
