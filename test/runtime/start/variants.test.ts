import { expect, test } from 'vitest'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import { Refused, TidemarkError } from '../../../src/kernel/errors.ts'
import {
  type CheckpointMetadata,
  decodeMetadata,
  encodeMetadata,
  type TopologyCheckpoint,
} from '../../../src/runtime/commit/checkpoint-metadata.ts'
import {
  choiceFaults,
  findVariants,
  settleVariants,
  tryVariants,
} from '../../../src/runtime/start/variants.ts'
import { headerOf } from '../../support/headers.ts'
import { startWorker } from '../../support/in-process.ts'
import { preparedWith, stepOf, type Times, timed, withVariants } from '../../support/variants.ts'
import { START_MS, Watch } from '../support.ts'

// Variants of a step: which one a group chooses, and that it keeps to it.

const GROUP = 'g'
const FAST: Times = { deep: 10, gbdt: 5, mlp: 1 }
/** The deep one is too slow here. */
const SLOW: Times = { deep: 25, gbdt: 5, mlp: 1 }

function records(partitions = 1): MemoryRecords {
  const all = new MemoryRecords()
  for (const topic of ['events', 'scores', 'events.dlq']) all.createTopic(topic, { partitions })
  return all
}

let sent = 0
/** One event in a partition. */
function send(to: MemoryRecords, partition = 0): void {
  const at = START_MS + sent++
  const value = Buffer.from(JSON.stringify({ key: 'k', at, amount: 1 }))
  const record = { topic: 'events', partition, key: Buffer.from('k'), value, timestampMs: at }
  to.produce([{ ...record, headers: [] }])
}

/** Starts a worker on a machine on which its variants take these times. */
function start(on: MemoryRecords, times: Times, o: { operators?: string } = {}) {
  const watch = new Watch()
  const { prepared, scorers } = preparedWith(times, o)
  const { observer } = watch
  const worker = startWorker({ prepared, records: on, group: GROUP, observer })
  const notes = () =>
    watch
      .of('note')
      .map(({ message }) => message)
      .filter((message) => message.startsWith('scored/score'))
  return { worker, watch, scorers, notes }
}

/** Runs a worker until it has processed one more event of each partition. */
async function run(on: MemoryRecords, times: Times, o: { operators?: string } = {}) {
  const started = start(on, times, o)
  send(on)
  await Promise.race([on.settled(GROUP, 'events'), started.worker.done])
  await started.worker.stop()
  return started
}

const models = (of: MemoryRecords) =>
  of.read('scores', 0).map(({ value }) => (JSON.parse(String(value)) as { model: string }).model)
const noted = (of: MemoryRecords, partition = 0) => {
  const committed = of.committed(GROUP, { topic: 'events', partition })
  return decodeMetadata(committed?.metadata ?? '')
    ?.variants.get('scored')
    ?.get('score')
}

test('the first worker of a group chooses, says from what, and closes the others', async () => {
  const on = records()
  const { notes, scorers } = await run(on, FAST)
  expect(notes()).toEqual([
    'scored/score: deep is chosen for the group, the most accurate that scores 32 rows within 20 ms: ' +
      'deep@1 (auc 0.95): 1 row 10 ms, 32 rows 10 ms; gbdt@1 (auc 0.9): 1 row 5 ms, 32 rows 5 ms; mlp@1 (auc 0.8): 1 row 1 ms, 32 rows 1 ms',
  ])
  const [output] = on.read('scores', 0)
  expect(output && headerOf(output, 'tidemark-route')).toBe('deep')
  expect(output && headerOf(output, 'tidemark-model')).toBe('deep@1+deep')
  expect(output && headerOf(output, 'tidemark-by-clock')).toBeUndefined()
  expect(noted(on)).toBe('deep')
  expect([...scorers].map(([name, { closed }]) => [name, closed])).toEqual([
    ['deep', false],
    ['gbdt', true],
    ['mlp', true],
  ])
})

test('a restart keeps the variant although others cost another time now, and says so', async () => {
  const on = records()
  await run(on, SLOW)
  const { notes } = await run(on, FAST)
  expect(models(on)).toEqual(['gbdt@1', 'gbdt@1'])
  expect(notes()).toEqual([
    expect.stringContaining(
      'scored/score: gbdt is kept, as the group has committed, although deep is here the most accurate that scores 32 rows within 20 ms (--variant score=deep changes that): deep@1',
    ),
  ])
  expect((await run(on, SLOW)).notes()).toEqual([
    'scored/score: gbdt is kept, as the group has committed',
  ])
})

test("the operator's choice goes before what the group has, and is kept from then on", async () => {
  const on = records()
  await run(on, FAST)
  const { notes } = await run(on, FAST, { operators: 'mlp' })
  expect(notes()).toEqual([
    'scored/score: mlp scores, as the operator has chosen, instead of deep',
    'scored/score: events of partitions that were scored by deep before are scored by mlp on this worker, until its next start',
  ])
  const { prepared } = preparedWith(FAST, { operators: 'mlp' })
  for (const offsets of [[], await on.offsets(GROUP, 'events')]) {
    const note = 'scored/score: mlp scores, as the operator has chosen'
    expect(findVariants(prepared, offsets)).toMatchObject([{ note }])
  }
  await run(on, FAST)
  expect(models(on)).toEqual(['deep@1', 'mlp@1', 'mlp@1'])
})

test("the operator's choice is committed in partitions without an event, too", async () => {
  const on = records(2)
  await run(on, FAST)
  expect([noted(on, 0), noted(on, 1)]).toEqual(['deep', 'deep'])
  await run(on, FAST, { operators: 'mlp' })
  expect([noted(on, 0), noted(on, 1)]).toEqual(['mlp', 'mlp'])
})

test('a commit at the start keeps how far idleness had advanced the watermark', async () => {
  const on = records()
  await run(on, FAST)
  const place = { topic: 'events', partition: 0 }
  const { nextOffset, metadata } = on.committed(GROUP, place) as {
    nextOffset: number
    metadata: string
  }
  const note = decodeMetadata(metadata) as CheckpointMetadata
  const own = note.topologies.get('scored') as TopologyCheckpoint
  const idleMs = START_MS + 60_000
  const advanced = { ...note, topologies: new Map([['scored', { ...own, idleMs }]]) }
  on.resetOffset(GROUP, place, { nextOffset, metadata: encodeMetadata(advanced) })
  const { worker, watch } = start(on, FAST, { operators: 'mlp' })
  await watch.until(() => noted(on) === 'mlp')
  await worker.stop()
  const after = decodeMetadata(on.committed(GROUP, place)?.metadata ?? '')
  expect(after?.topologies.get('scored')?.idleMs).toBe(idleMs)
})

test('two workers that have chosen differently go by the lowest partition at their next start', async () => {
  const on = records(2)
  const [one, other] = [start(on, FAST), start(on, SLOW)]
  const isNoted = () => noted(on, 0) !== undefined && noted(on, 1) !== undefined
  const hasBoth = () => noted(on, 0) !== noted(on, 1)
  await one.watch.until(() => one.watch.states.includes('running'))
  await other.watch.until(() => other.watch.states.includes('running'))
  for (const partition of [0, 1]) send(on, partition)
  await on.settled(GROUP, 'events')
  expect(isNoted() && hasBoth()).toBe(true)
  await Promise.all([one.worker.stop(), other.worker.stop()])
  const lowest = noted(on, 0)
  const again = [start(on, SLOW), start(on, FAST)]
  for (const { watch } of again) await watch.until(() => watch.states.includes('running'))
  for (const partition of [0, 1]) send(on, partition)
  await on.settled(GROUP, 'events')
  expect([noted(on, 0), noted(on, 1)]).toEqual([lowest, lowest])
  await Promise.all(again.map(({ worker }) => worker.stop()))
})

test('a variant that is no longer among them is chosen anew', async () => {
  const on = records()
  await run(on, FAST)
  const { topologies, variants } = preparedWith({ gbdt: 5, mlp: 1 }).prepared
  const offsets = await on.offsets(GROUP, 'events')
  expect(findVariants({ topologies, variants }, offsets)).toMatchObject([
    {
      variant: 'gbdt',
      note: expect.stringContaining(
        'since deep cannot be chosen any more: deep@1 (auc 0.95): not loaded; gbdt@1',
      ),
    },
  ])
})

test('a worker that cannot load the variant of its group is refused', async () => {
  const on = records()
  await run(on, FAST)
  const { topologies, variants } = preparedWith({ gbdt: 5 }).prepared
  const failed = new Map([['deep', [new TidemarkError('MODEL_FILE', 'deep.onnx is not there')]]])
  const offsets = await on.offsets(GROUP, 'events')
  const found = () =>
    findVariants({ topologies, variants: variants.map((v) => ({ ...v, failed })) }, offsets)
  expect(found).toThrow(Refused)
  expect(found).toThrow('MODEL_FILE: deep.onnx is not there')
})

test('a worker that joins again stays with its variant, whatever the group has since', async () => {
  const on = records()
  const { prepared } = preparedWith({ gbdt: 5 })
  const failed = new Map([['deep', [new TidemarkError('MODEL_FILE', 'deep.onnx is not there')]]])
  const own = { ...prepared, variants: prepared.variants.map((v) => ({ ...v, failed })) }
  expect(await settleVariants(own, await on.offsets(GROUP, 'events'))).toHaveLength(1)
  await run(on, FAST)
  expect(noted(on)).toBe('deep')
  expect(await settleVariants(own, await on.offsets(GROUP, 'events'))).toEqual([])
})

test('where no variant is fast enough, all are told, with those that could not be loaded', () => {
  const definition = withVariants()
  const step = stepOf(definition)
  const scorers = new Map([['gbdt', timed('gbdt', (rows) => rows)]])
  const failed = new Map([['deep', [new TidemarkError('MODEL_FILE', 'deep.onnx is not there')]]])
  const found = tryVariants({ definition, step }, { scorers, failed, chosen: new Map() })
  const faults = 'faults' in found ? found.faults.map((f) => `${f.code} ${f.message}`) : []
  expect(faults).toEqual([
    'MODEL_FILE deep.onnx is not there',
    'MODEL_TOO_SLOW no variant scores 32 rows within 20 ms\n' +
      '    deep@1 (auc 0.95): MODEL_FILE, deep.onnx is not there\n' +
      '    gbdt@1 (auc 0.9): 1 row 1 ms, 32 rows 32 ms, longer than 20 ms\n' +
      '    mlp@1 (auc 0.8): not loaded',
  ])
})

test('a choice of the operator that no step offers is a fault that names what there is', () => {
  const chosen = new Map([
    ['score', 'gbtd'],
    ['other', 'deep'],
  ])
  expect(
    choiceFaults([withVariants()], chosen).map((f) => `${f.code} ${f.message}; ${f.hint}`),
  ).toEqual(
    ['score=gbtd', 'other=deep'].map(
      (choice) =>
        `CONFIG_INVALID no topology offers the variant ${choice}; there are: score=deep, score=gbdt, score=mlp`,
    ),
  )
  expect(choiceFaults([withVariants()], new Map([['score', 'mlp']]))).toEqual([])
})

test('a choice that is not accurate enough is told as that, and not where none is', () => {
  const mlp = new Map([['score', 'mlp']])
  expect(choiceFaults([withVariants({ minAccuracy: 0.9 })], mlp).map((f) => f.message)).toEqual([
    'the variant score=mlp does not meet minAccuracy',
  ])
  // The step has a fault of its own then.
  expect(choiceFaults([withVariants({ minAccuracy: 0.99 })], mlp)).toEqual([])
})
