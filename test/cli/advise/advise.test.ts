import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Advice, adviceFor, type Measured } from '../../../src/cli/advise/advice.ts'
import { type CommandLine, commandsFor } from '../../../src/cli/advise/commands.ts'
import { readDemand } from '../../../src/cli/advise/demand.ts'
import { hasten } from '../../support/clocks.ts'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'

// Measurements, advice and refusals of `tidemark advise`. The commands run: test/long/advise.test.ts.

const CARD_FRAUD = ['--topology', 'topologies/card-fraud.ts']
const PAYMENTS = ['--input', 'topologies/samples/payments.tsv']
const MLP = ['--model', 'topologies/models/card-mlp.model.ts']

interface Advised extends Advice {
  readonly figures: Measured | null
  readonly needs: Readonly<Record<string, readonly string[]>>
  readonly commands: readonly CommandLine[]
}

async function advised(...args: string[]): Promise<Advised> {
  const { code, stdout } = await tidemark(['advise', ...args, '--json'])
  expect(code).toBe(0)
  return JSON.parse(stdout) as Advised
}

async function refused(...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await tidemark(['advise', ...args])
  expect([code, stdout]).toEqual([3, ''])
  return stderr.split('✗ ').slice(1)
}

describe('input that is wrong', () => {
  test('is told all at once, each with where it is and a hint', async () => {
    const given = ['--max-latency', '0', '--volume', '2m', '--cost', 'other']
    const files = ['--model', 'none.onnx', '--input', 'none.ndjson']
    const faults = await refused('fraud_detecton', ...given, ...files)
    expect(faults).toEqual([
      'CONFIG_INVALID  there is no preset "fraud_detecton"\n  preset\n  hint: did you mean fraud_detection?\n',
      'CONFIG_INVALID  "0" is not valid\n  --max-latency\n  hint: a time such as 50ms, 1s, 15m or 1d\n',
      'CONFIG_INVALID  "2m" is not valid\n  --volume\n  hint: events a day, such as 2000000/day\n',
      'CONFIG_INVALID  "other" is not valid\n  --cost\n  hint: low, medium or high\n',
      'CONFIG_INVALID  is for a topology\n  --input\n  hint: add --topology FILE\n',
      expect.stringMatching(/^CONFIG_INVALID {2}cannot read the input: ENOENT/) as string,
      expect.stringMatching(/^MODEL_FILE {2}/) as string,
    ])
  })

  test('without a preset, latency and volume are needed', async () => {
    const faults = await refused()
    expect(faults).toHaveLength(2)
    expect(faults[0]).toContain('is needed without a preset\n  --max-latency\n')
    expect(faults[1]).toContain('is needed without a preset\n  --volume\n')
  })

  test.each(['-5ms', '50', '1.5s', '0s', 'soon', '50 ms', ''])('--max-latency %s', async (text) => {
    const faults = await refused('search_ranking', `--max-latency=${text}`)
    expect(faults.join()).toContain(`"${text}" is not valid\n  --max-latency\n`)
  })

  test.each(['0/day', '5', '5/hour', '-5/day', '1e6/day', '5.5/day'])(
    '--volume %s',
    async (text) => {
      const faults = await refused('search_ranking', `--volume=${text}`)
      expect(faults.join()).toContain(`"${text}" is not valid\n  --volume\n`)
    },
  )

  test('events of which there are none', async () => {
    const empty = join(folderWith({ 'empty.ndjson': '' }), 'empty.ndjson')
    const args = ['--topology', 'topologies/card-fraud.ts', '--input', empty]
    const { code, stderr } = await tidemark(['advise', 'search_ranking', ...args])
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining('has no events\n  --input\n') as string,
    ])
  })

  test('a preset that is named like nothing is told with all there are', async () => {
    const [fault = ''] = await refused('toString')
    expect(fault).toContain('hint: known presets: fraud_detection, recommendation_engine, ')
  })
})

test('without model and topology the rule of thumb is alone, and says so', async () => {
  const { stdout } = await tidemark(['advise', 'fraud_detection'])
  expect(stdout).toMatch(/^on request: several workers\n/)
  expect(stdout).not.toContain('measured  ')
  expect(stdout).toContain('  so        by the rule alone\n')
  expect(stdout).toContain('  nothing measured: give --model, or --topology, --input\n')
})

test('the advice comes first, then why, what speaks against it, what it needs, and the commands', async () => {
  const { code, stdout } = await tidemark(['advise', 'fraud_detection', ...CARD_FRAUD])
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^on request: 2 workers, 1 row a batch at the peak\nfraud_detection 50 ms, 2,000,000 events a day \(peak 69\.4 a second, 3 times the mean\), cost matters: low\n/,
  )
  const titles = stdout.match(/(?<=\n\n)\S.*$/gm)
  expect(titles).toEqual(['why', 'what speaks against it', 'what it needs', 'commands'])
  expect(stdout).toMatch(/ {2}so {8}1 worker, though the rule says a scaled group\n/)
  expect(stdout).toMatch(
    / {2}measured {2}card-gbdt, by its trees.*: [\d.]+ \+ [\d.]+ · n µs for n rows/,
  )
})

test('what models and events take is measured', async () => {
  hasten(100)
  const { figures } = await advised('search_ranking', ...CARD_FRAUD, ...PAYMENTS)
  expect(figures?.events?.events).toBe(500)
  expect(figures?.events?.microsPerEvent).toBeGreaterThan(0.5)
  expect(figures?.models.map(({ name }) => name)).toEqual(['card-gbdt'])
  const [model] = figures?.models ?? []
  expect(model?.rowMs).toBeGreaterThan(0)
  expect(model?.oneRowMs).toBeCloseTo((model?.baseMs ?? 0) + (model?.rowMs ?? 0), 9)
})

test('of a topology the models that score are measured; without events, a row stands for one', async () => {
  const { figures, measured } = await advised('search_ranking', ...CARD_MODELS)
  expect(figures?.events).toBe(null)
  expect(new Set(figures?.models.map(({ name }) => name))).toEqual(
    new Set(['card-gbdt', 'card-mlp', 'card-gbdt-next']),
  )
  expect(measured.join('\n')).toContain('no events, so a row stands for one')
})

const CARD_MODELS = ['--topology', 'topologies/card-models.ts']

test('--model is measured in place of the models of the topology', async () => {
  const { figures } = await advised('search_ranking', ...CARD_FRAUD, ...MLP)
  expect(figures?.models.map(({ name }) => name)).toEqual(['card-mlp'])
})

test('a topology that a worker would refuse is refused', async () => {
  const faults = await refused('search_ranking', '--topology', 'topologies/payment.ts')
  expect(faults.join()).toContain('TOPOLOGY_LOAD')
})

describe('commands', () => {
  const linesOf = async (...args: string[]) =>
    (await advised(...args)).commands.map(([line]) => line)

  test('of a model: requests, a batch of rows; the stream needs a topology', async () => {
    expect(await linesOf('search_ranking', ...MLP)).toEqual([`tidemark serve ${MLP[1]}`])
    expect(await linesOf('demand_forecasting', ...MLP)).toEqual([
      `tidemark batch --model ${MLP[1]} --input rows.ndjson --output scores`,
    ])
    expect(await linesOf('recommendation_engine', ...MLP)).toEqual(['tidemark init my-topology'])
  })

  test('on request with a topology, and without a measurement of its events', async () => {
    expect(await linesOf('search_ranking', ...CARD_MODELS)).toEqual([
      'tidemark check topologies/card-models.ts --connect',
      'tidemark run topologies/card-models.ts --predict-port 8080',
    ])
  })

  test('a path is written as a shell takes it', () => {
    const asked = readDemand('search_ranking', {}, [])
    const of = { model: "my model's.onnx", definition: undefined, cores: 2, nowMs: 0 }
    const [first] = commandsFor(adviceFor(asked, null), asked, of)
    expect(first?.[0]).toBe("tidemark serve 'my model'\\''s.onnx'")
  })
})
