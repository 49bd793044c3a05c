import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { FIXTURES } from './support.ts'

// ONNX Runtime's telemetry writes an id of the machine as soon as the library is loaded, and looks
// for its server some 10 s later. So the folder is the sign that a test need not wait for. Nothing of
// the caller's environment is kept, because `CI` and its like turn telemetry off by themselves.

const LOADS_HERE = `
  import { OnnxSession } from '${source('onnx-session.ts')}'
  await (await OnnxSession.load(bytes, { input: '', outputs: {} })).close()`

const LOADS_IN_A_THREAD = `
  import { ThreadRunner } from '${source('thread-runner.ts')}'
  const reading = { input: 'features', outputs: {} }
  await (await ThreadRunner.start('m@1', { bytes, reading })).close()`

function source(name: string): string {
  return new URL(`../../src/scoring/${name}`, import.meta.url).href
}

/** The files that a process leaves in an empty home when it has loaded a model. */
async function leftBy(load: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const home = folderWith({})
  const script = `
    import { readFileSync } from 'node:fs'
    const bytes = readFileSync(new URL('${new URL('card-gbdt.onnx', FIXTURES).href}'))
    ${load}`
  await promisify(execFile)(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script],
    { env: { HOME: home, XDG_CACHE_HOME: home, ...environment } },
  )
  return readdirSync(home)
}

it.each([
  ['the main thread', LOADS_HERE],
  ['a scoring thread', LOADS_IN_A_THREAD],
])('ONNX Runtime has telemetry in %s only for those who ask for it', async (_, load) => {
  expect(await leftBy(load, {})).toEqual([])
  expect(await leftBy(load, { ORT_DISABLE_TELEMETRY: '0' })).toEqual(['Microsoft'])
})
