import { pino } from 'pino'
import {
  type Code,
  type Refused,
  type RunningWorker,
  replay,
  runBatch,
  runWorker,
  type TidemarkError,
} from 'tidemark'
import { expectTypeOf, test } from 'vitest'
import cardActivity from '../../topologies/card-activity.ts'
import cardFraud from '../../topologies/card-fraud.ts'

test('runWorker takes topologies and options, and gives a worker', async () => {
  expectTypeOf(runWorker(cardFraud)).resolves.toEqualTypeOf<RunningWorker>()
  await runWorker([cardFraud, cardActivity], {
    brokers: ['kafka:9092'],
    tls: { ca: '' },
    sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
    guarantee: 'at-least-once',
    topics: { payments: 'p' },
    log: pino(),
    http: { port: 0 },
    signal: AbortSignal.timeout(1_000),
  })
  await runWorker(cardFraud, { log: console })
  // @ts-expect-error a topology, not its name
  await runWorker('card-fraud')
  // @ts-expect-error no such guarantee
  await runWorker(cardFraud, { guarantee: 'at-most-once' })
  // @ts-expect-error no such option
  await runWorker(cardFraud, { commitInterval: 100 })
  // @ts-expect-error a login needs a password
  await runWorker(cardFraud, { sasl: { mechanism: 'plain', username: 'u' } })
  // @ts-expect-error fields come before the message
  await runWorker(cardFraud, { log: { ...console, warn: (message: string) => message } })
  await runWorker(cardFraud, {
    observer: (event) => {
      if (event.type !== 'processed') return
      expectTypeOf(event.outcomes.scored).toEqualTypeOf<number>()
      // @ts-expect-error no such type of event
      if (event.type === 'scored') return
    },
  })
})

test('what is thrown tells its code', () => {
  expectTypeOf<Refused['faults'][number]>().toEqualTypeOf<TidemarkError>()
  expectTypeOf<TidemarkError['code']>().toEqualTypeOf<Code>()
  expectTypeOf<'TOPIC_MISSING'>().toExtend<Code>()
})

test('jobs take one topology, and the options that they need', async () => {
  const result = await runBatch(cardFraud, { input: ['a.ndjson'], output: 'scores', rows: true })
  expectTypeOf(result?.outcomes.scored).toEqualTypeOf<number | undefined>()
  // @ts-expect-error an output is needed
  await runBatch(cardFraud, { input: ['a.ndjson'] })
  // @ts-expect-error threads cannot get a topology
  await runBatch(cardFraud, { input: ['a.ndjson'], output: 'scores', workers: 2 })
  const { isEqual } = await replay(cardFraud, { from: { timeMs: 0 }, to: 'latest', verify: true })
  expectTypeOf(isEqual).toEqualTypeOf<boolean | null>()
  // @ts-expect-error one topology
  await replay([cardFraud, cardActivity])
})
