import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

const TOPOLOGY = 'topologies/card-fraud.ts'

describe('tidemark check', () => {
  test('says in a line what a topology does, and ends with 0', async () => {
    const { code, stdout, stderr } = await tidemark(['check', TOPOLOGY])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      '✓ card-fraud  payments → 13 features → card-gbdt@2 → predictions  (dead letters: payments.dlq)',
      'card-gbdt@2 is computed by its trees, in the worker',
    ])
  })

  test('names the model of a shadow', async () => {
    const { stdout } = await tidemark(['check', 'test/golden/topologies/card-shadow.ts'])
    expect(stdout.split('\n').slice(1, 3)).toEqual([
      'card-gbdt@1 is computed by its trees, in the worker',
      'card-gbdt-v2@1 is a shadow, computed by ONNX Runtime (as every shadow is)',
    ])
  })

  test('names every file that a deployment needs, with its size', async () => {
    const model = 'flight-gbdt=topologies/models/flight-gbdt.onnx'
    const { stdout } = await tidemark(['check', 'topologies/flight-delay.ts', '--model', model])
    const [needs, ...files] = stdout
      .slice(stdout.indexOf('\nneeds ') + 1)
      .trimEnd()
      .split('\n')
    expect(needs).toMatch(/^needs 6 files, [\d,]+ KB$/)
    const names = new Set(files.map((line) => line.trim().split(/ {2,}/)[0]))
    expect(names).toEqual(
      new Set([
        'topologies/flight-delay.ts',
        'topologies/models/flight-gbdt.golden.json',
        'topologies/models/flight-gbdt.model.ts',
        'topologies/models/flight-gbdt.onnx',
        'topologies/samples/planes.ndjson',
        'topologies/samples/weather.ndjson',
      ]),
    )
    expect(files).toContainEqual(expect.stringMatching(/flight-gbdt\.onnx +331 KB$/))
  })

  test('says which functions are called for each event, and why', async () => {
    const { code, stdout } = await tidemark(['check', 'topologies/card-activity.ts'])
    expect(code).toBe(0)
    expect(stdout.split('\n').slice(1, 4)).toEqual([
      'pays-again@1 is computed by its trees, in the worker',
      'called for each event: card-activity.features.largest (it uses the operator `??`)',
      expect.stringMatching(/^for these, each event is made into an object/),
    ])
  })

  test('takes the topics and the model that the operator chose', async () => {
    const model = 'card-gbdt=test/fixtures/models/card-gbdt-v2.onnx'
    const { code, stdout } = await tidemark([
      'check',
      TOPOLOGY,
      '--topic',
      'payments=p',
      '--model',
      model,
    ])
    expect(code).toBe(0)
    expect(stdout).toMatch(/p → 13 features → card-gbdt@2\+[0-9a-f]{8} → predictions/)
  })

  test('tells every fault of the choices and the model at once, and ends with 3', async () => {
    const { code, stdout, stderr } = await tidemark([
      'check',
      TOPOLOGY,
      '--model=card-gbdt=test/fixtures/models/card-12-inputs.onnx',
      '--model=other=x.onnx',
      '--topic=other=x',
    ])
    expect([code, stdout]).toEqual([3, ''])
    expect(codesIn(stderr)).toEqual(['CONFIG_INVALID', 'CONFIG_INVALID', 'MODEL_INPUT'])
    expect(stderr).toContain('payments, predictions, payments.dlq')
  })

  test('tells for every file why it cannot be loaded, with the line', async () => {
    const folder = folderWith({
      'package.json': '{"type":"module"}',
      'typescript.ts': 'const a: number = 1\nconst b = = 2\n',
      'javascript.mjs': 'const a = 1\nconst b = = 2\n',
      'throws.ts': '\nthrow new Error("of the author")\n',
      'nothing.ts': 'export const x = 1\n',
      'number.ts': 'export default 7\n',
      'package.ts': "import 'not-installed'\n",
    })
    const files = [
      'typescript.ts',
      'javascript.mjs',
      'throws.ts',
      'nothing.ts',
      'number.ts',
      'package.ts',
      'missing.ts',
    ]
    const { code, stderr } = await tidemark(['check', ...files.map((name) => join(folder, name))])
    expect(code).toBe(3)
    expect(stderr.replaceAll(folder, '…')).toBe(`✗ TOPOLOGY_LOAD  Unexpected "="
  …/typescript.ts:2:11
✗ TOPOLOGY_LOAD  Unexpected "="
  …/javascript.mjs:2:11
✗ TOPOLOGY_LOAD  of the author
  …/throws.ts:2
✗ TOPOLOGY_LOAD  has no default export
  …/nothing.ts
  hint: write: export default defineTopology('name', (t) => …)
✗ TOPOLOGY_LOAD  exports a value of type number by default, not a topology
  …/number.ts
  hint: write: export default defineTopology('name', (t) => …)
✗ TOPOLOGY_LOAD  Could not resolve "not-installed"
  …/package.ts:1:8
  hint: npm install not-installed, in the folder of the topology
✗ TOPOLOGY_LOAD  there is no such file
  …/missing.ts
`)
  })

  test('checks the files that load beside those that do not', async () => {
    const model = '--model=card-gbdt=test/fixtures/models/card-12-inputs.onnx'
    const { code, stderr } = await tidemark(['check', TOPOLOGY, 'missing.ts', model])
    expect(code).toBe(3)
    expect(codesIn(stderr)).toEqual(['TOPOLOGY_LOAD', 'MODEL_INPUT'])
  })

  test('notes what a function uses beside its event', async () => {
    const folder = folderWith({
      'package.json': '{"type":"module"}',
      'impure.ts': `import { defineTopology, seconds } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { z } from ${JSON.stringify(join(ROOT, 'node_modules/zod/index.js'))}
export default defineTopology('impure', (t) =>
  t
    .source('events', {
      schema: z.object({ key: z.string(), at: z.number() }),
      key: (e) => e.key,
      eventTimeMs(e) {
        return Date.now() // and not e.at
      },
      watermark: { lag: seconds(1) },
      onLate: 'dead-letter',
    })
    .map(async (e: { at: number }) => ({ at: e.at as number }))
    .sink('out'),
)`,
    })
    const { code, stderr } = await tidemark(['check', join(folder, 'impure.ts')])
    expect([code, stderr]).toEqual([
      0,
      '! impure: events.eventTimeMs uses Date.now: a replay, such as after a restart, may give another result for the same event (take the time from the event)\n',
    ])
  })

  test("tells what the author's builder calls were refused for, with its code", async () => {
    const folder = folderWith({
      'package.json': '{"type":"module"}',
      'twice.ts': `import { defineTopology } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
export default defineTopology('twice', () => [])`,
    })
    const { code, stderr } = await tidemark(['check', join(folder, 'twice.ts')])
    expect(code).toBe(3)
    expect(stderr).toContain('✗ TOPOLOGY_INVALID  topology "twice": no source')
    expect(stderr).toContain(`\n  ${join(folder, 'twice.ts')}\n`)
  })
})

describe('tidemark graph', () => {
  test('writes Mermaid, or everything as JSON', async () => {
    const drawn = await tidemark(['graph', TOPOLOGY])
    const described = await tidemark(['graph', TOPOLOGY, '--format', 'json'])
    expect(drawn.stdout).toMatch(/^flowchart LR\n {2}source\[\["payments"\]\]\n/)
    const whole = JSON.parse(described.stdout) as { functions: unknown[] }
    expect(whole).toMatchObject({ name: 'card-fraud', first: ['features'] })
    expect(whole.functions).toContainEqual({ where: 'map', step: 'map', what: 'compiled' })
  })
})

describe('tidemark model', () => {
  test('types writes the definition that a topology imports', async () => {
    const model = 'topologies/models/card-gbdt'
    const { code, stdout } = await tidemark([
      'model',
      'types',
      `${model}.onnx`,
      '--golden',
      `${model}.golden.json`,
      '--version',
      '7',
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('export const cardGbdt = onnxModel({')
    expect(stdout).toContain("version: '7'")
    expect(stdout).toContain("'secondsSincePrevious'")
  })

  test('inspect shows types and columns', async () => {
    const { code, stdout } = await tidemark(['model', 'inspect', 'test/fixtures/models/risk.onnx'])
    expect(code).toBe(0)
    expect(stdout).toContain(`
output    risk: float32[N, 3]
output    label: int64[N]
output    name: string[N]
output    sure: bool[N]
score     risk = risk, columns c0, c1, c2
`)
  })

  test('inspect shows a model that cannot be used, says why, and ends with 3', async () => {
    const { code, stdout, stderr } = await tidemark([
      'model',
      'inspect',
      'test/fixtures/models/card-batch1.onnx',
    ])
    expect(code).toBe(3)
    expect(stdout).toContain('input     features: float32[1, 13]')
    expect(codesIn(stderr)).toEqual(['MODEL_INPUT'])
    expect(stderr).toContain('the batch is fixed at 1')
  })
})

describe('the command line', () => {
  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['check'], "missing required argument 'files'"],
    [['check', TOPOLOGY, '--nonsense'], "unknown option '--nonsense'"],
    [['produce', 'f', '--topic', 't', '--speed', '0'], 'a number above 0, or max'],
    [['produce', 'f', '--topic', 't', '--speed', '2'], 'need --time FIELD'],
    [['consume', '--topic', 't', '--max', '1.5'], 'a whole number above 0'],
  ])('%j is a usage error: 2, and why on stderr', async (args, why) => {
    const { code, stdout, stderr } = await tidemark(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(why)
  })

  test('--help and --version go to stdout and end with 0', async () => {
    const help = await tidemark(['run', '--help'])
    const version = await tidemark(['--version'])
    expect([help.code, help.stderr, version.code]).toEqual([0, '', 0])
    expect(help.stdout).toContain('--sasl-mechanism')
    expect(help.stdout).not.toContain('--sasl-password <')
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('init leaves a folder alone that is not empty: 3', async () => {
    const folder = folderWith({ mine: '' })
    const { code, stderr } = await tidemark(['init', folder])
    expect(code).toBe(3)
    expect(stderr).toContain('✗ CONFIG_INVALID  the folder is not empty')
    expect(readdirSync(folder)).toEqual(['mine'])
  })
})

function codesIn(stderr: string): string[] {
  return [...stderr.matchAll(/^✗ ([A-Z_]+) /gm)].map((match) => match[1] as string)
}

test.each([
  ['x', 'must be a whole number from 0 on'],
  ['-1', 'must be a whole number from 0 on'],
])('tidemark offsets reset --partition %s: %s', async (partition, problem) => {
  const { code, stderr } = await tidemark([
    ...['offsets', 'reset', TOPOLOGY, '--to', 'latest'],
    `--partition=${partition}`,
  ])
  expect(code).toBe(2)
  expect(stderr).toContain(problem)
})
