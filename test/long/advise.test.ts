import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Advice, adviceFor } from '../../src/cli/advise/advice.ts'
import { type CommandLine, commandsFor } from '../../src/cli/advise/commands.ts'
import { readDemand } from '../../src/cli/advise/demand.ts'
import { loadTopologies } from '../../src/host/author-files.ts'
import { kafkaTest } from '../services/kafka.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { PAYMENTS, Place, TOPOLOGIES } from './advised-place.ts'

// Every command that `tidemark advise` prints is run as it stands, to the point where it works.

/** A checkout makes its types before `init`. */
const CASE_MS = 240_000

const TOPOLOGY = ['--topology', 'topology.ts']
const ON_PAYMENTS = [...TOPOLOGY, '--input', PAYMENTS]
const FLIGHTS = join(TOPOLOGIES, 'samples/flights.ndjson.gz')
const model = (name: string) => ['--model', join(TOPOLOGIES, 'models', name)]
const flags = (latency: string, volume: string, cost: string) => [
  '--max-latency',
  latency,
  '--volume',
  `${volume}/day`,
  '--cost',
  cost,
]

/** Of what is asked: the topology in the folder, the flags, the form that is advised. */
const CASES: readonly (readonly [topology: string, args: readonly string[], form: string])[] = [
  ['card-fraud.ts', ['fraud_detection', ...ON_PAYMENTS], 'on request'],
  ['card-fraud.ts', ['recommendation_engine', ...ON_PAYMENTS], 'stream'],
  ['card-fraud.ts', ['credit_scoring', ...ON_PAYMENTS], 'batch, scheduled'],
  [
    'card-fraud.ts',
    [...flags('30ms', '500000', 'low'), ...model('card-mlp.model.ts')],
    'on request',
  ],
  ['card-models.ts', [...flags('500ms', '5000000000', 'low'), ...ON_PAYMENTS], 'stream'],
  [
    'flight-delay.ts',
    [...flags('1h', '1000000', 'low'), ...TOPOLOGY, '--input', FLIGHTS],
    'batch, on arrival',
  ],
  [
    'card-fraud.ts',
    [...flags('1d', '1000000', 'high'), ...model('card-gbdt.onnx')],
    'batch, scheduled',
  ],
  ['card-fraud.ts', flags('200ms', '1000', 'medium'), 'stream'],
]

for (const [topology, args, form] of CASES) {
  const title = args.filter((word) => !word.includes('/topologies/')).join(' ')
  kafkaTest(
    `commands of advise ${title}: ${form}`,
    async (kafka) => {
      const place = new Place(topology, kafka)
      await place.fill()
      const { code, stdout, stderr } = await tidemark(['advise', ...args, '--json'], place.where)
      if (code !== 0) throw new Error(stderr)
      const advice = JSON.parse(stdout) as Advice & { commands: readonly CommandLine[] }
      expect(advice.form).toBe(form)
      expect(advice.commands.length).toBeGreaterThan(0)
      for (const [command] of advice.commands) expect(await place.faultOf(command)).toBe(null)
    },
    CASE_MS,
  )
}

test('commands of advise where no form is fast enough', { timeout: CASE_MS }, async () => {
  const slow = { name: 'm', by: 'its trees', baseMs: 79, rowMs: 1, oneRowMs: 80 }
  const measured = { cores: 2, startMs: 0, models: [slow], events: null }
  const asked = readDemand('fraud_detection', {}, [])
  const advice = adviceFor(asked, measured)
  expect(advice.form).toBe('none')
  const { definitions } = await loadTopologies(['topologies/card-fraud.ts'])
  const of = { definition: definitions[0], cores: 2, nowMs: 0 }
  for (const given of [of, { ...of, model: 'topologies/models/card-mlp.model.ts' }]) {
    const commands = commandsFor(advice, asked, given)
    expect(commands).toHaveLength(1)
    const [, ...words] = commands[0]?.[0].split(' ') ?? []
    const { code, stdout } = await tidemark(words)
    expect([code, stdout]).toEqual([0, expect.stringContaining('best') as string])
  }
})
