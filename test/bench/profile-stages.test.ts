import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'
import { PROFILE_STAGES, stageOf } from './profile-stages.ts'

const dist = (file: string) => `file:///home/src/tidemark/dist/${file}.js`
const inPackage = (file: string) => `file:///home/src/tidemark/node_modules/${file}`

test.each([
  [dist('records/kafka/codec/decode'), 'fetch, decode records'],
  [dist('records/kafka/codec/encode'), 'encode records'],
  [dist('records/kafka/producer'), 'commit'],
  [dist('records/kafka/sockets'), 'wire'],
  [inPackage('kafkajs/src/network/connection.js'), 'wire'],
  [dist('formats/json/event-decoder'), 'decode JSON, schema'],
  [dist('formats/json/scanner'), 'decode JSON, schema'],
  [inPackage('zod/v4/core/schemas.js'), 'decode JSON, schema'],
  [dist('formats/json/output'), 'outputs'],
  [dist('formats/json/output-encoder'), 'outputs'],
  [dist('engine/history'), 'windows'],
  [dist('runtime/ledger'), 'commit'],
  [dist('runtime/task'), 'tasks, flow'],
])('%s is of a stage', (url, stage) => {
  expect(stageOf({ functionName: 'f', url })).toBe(stage)
})

test('what several stages use, and what an author wrote, is of none', () => {
  const shared = [dist('records/kafka/codec/crc32c'), dist('kernel/slices'), 'node:buffer']
  for (const url of [...shared, 'file:///home/src/my/topology.ts']) {
    expect(stageOf({ functionName: 'f', url })).toBeNull()
  }
})

test('what V8 does itself is told from functions of that name', () => {
  expect(stageOf({ functionName: '(garbage collector)', url: '' })).toBe('(garbage collector)')
  expect(stageOf({ functionName: 'stringify', url: '' })).toBeNull()
  expect(stageOf({ functionName: '(idle)', url: dist('engine/history') })).toBe('windows')
})

test.each(PROFILE_STAGES.map(({ name }) => name))('there are files of the stage %s', (name) => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const urls = files.filter((file) => file.endsWith('.ts')).map((file) => `file:///x/src/${file}`)
  expect(urls.filter((url) => stageOf({ functionName: 'f', url }) === name)).not.toEqual([])
})
