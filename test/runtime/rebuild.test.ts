import { describe, expect, test } from 'vitest'
import { headerOf } from '../support/headers.ts'
import { GROUP, run, send, settled, sums, topics, worker } from './memory-workers.ts'

// Windows where nothing beside the committed offset tells what they hold. Events come once a
// second, so a window holds as many as it is seconds long; the watermark is 1 s behind.

const EVENTS = { topic: 'events', partition: 0 }

type Records = ReturnType<typeof topics>

function sendSeconds(records: Records, from: number, to: number): void {
  for (let s = from; s < to; s++) send(records, ['a', s * 1_000])
}

/**
 * Each result, as its id tells its window: how many events it holds, and whether it says that some
 * may be missing.
 */
function results(records: Records, skip = 0) {
  return records
    .read('sums')
    .slice(skip)
    .map((r) => ({
      id: headerOf(r, 'tidemark-id'),
      n: (JSON.parse(String(r.value)) as { n: number }).n,
      isWarming: headerOf(r, 'tidemark-warming') === 'true',
    }))
}

const counts = (records: Records, skip = 0) => results(records, skip).map(({ n }) => n)
const warmings = (records: Records, skip = 0) =>
  results(records, skip).map(({ isWarming }) => isWarming)

/** A group that has read 100 s, of which windows of 10 s are closed. */
async function afterHundred(): Promise<Records> {
  const records = topics()
  sendSeconds(records, 0, 100)
  await run(records, [sums('sums')])
  return records
}

describe('an offset that was set back', () => {
  const kept = async (records: Records) => records.committed(GROUP, EVENTS)?.metadata as string
  test.each<[string, string | typeof kept]>([
    ['nothing', ''],
    ["another consumer's text", 'my-consumer@host'],
    ['JSON of another consumer', '{"v":1,"host":"a"}'],
    ['an empty list', '[]'],
    ['what stood beside the offset before', kept],
  ])('with %s beside it gives the same results again, each under its id', async (_, beside) => {
    const records = await afterHundred()
    const before = results(records)
    const metadata = typeof beside === 'string' ? beside : await beside(records)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 35, metadata })
    const { watch } = await run(records, [sums('sums')])
    expect(results(records, before.length)).toEqual(before.slice(3))
    expect(watch.of('restoring')[0]).toMatchObject({
      fromOffset: 0,
      nextOffset: 0,
      toOffset: 35,
      reason: expect.stringMatching(/has no usable restart note/) as string,
    })
    expect(watch.of('warming')).toEqual([])
  })

  test('a note that was left beside a later offset still tells where windows began', async () => {
    const records = topics()
    sendSeconds(records, 0, 55)
    await run(records, [sums('sums')])
    const { metadata = '' } = records.committed(GROUP, EVENTS) ?? {}
    sendSeconds(records, 55, 100)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 68, metadata })
    await run(records, [sums('sums')])
    // Windows that closed before the new offset are skipped, as was asked for.
    expect(counts(records)).toEqual([10, 10, 10, 10, 10, 10, 10, 10])
  })
})

describe('where the log has lost its start', () => {
  const longer = () => sums('sums', { length: 60 })
  const others = () => sums('others', { topic: 'sums', length: 60 })
  const cases: [string, (records: Records) => Promise<Parameters<typeof run>>][] = [
    ['of windows that are defined differently', async (records) => [records, [longer()]]],
    ['of a topology that is new to the group', async (records) => [records, [others()]]],
    [
      'after an offset was set by hand',
      async (records) => {
        records.resetOffset(GROUP, EVENTS, { nextOffset: 97, metadata: '' })
        return [records, [longer()]]
      },
    ],
    [
      'of a group that begins at the start',
      async (records) => [records, [longer()], { group: 'other' }],
    ],
    [
      'of a group that begins at the end',
      async (records) => [records, [longer()], { group: 'other', from: 'latest' }],
    ],
  ]
  test.each(cases)('results %s say so, and no longer than they must', async (_, begin) => {
    const records = await afterHundred()
    records.deleteBefore({ ...EVENTS, offset: 95 })
    const skip = records.read('sums').length
    const [, definitions, options = {}] = await begin(records)
    const { worker: started, watch } = await worker(records, definitions, options)
    const group = options.group ?? GROUP
    await watch.until((w) => w.of('assigned').length > 0)
    sendSeconds(records, 100, 400)
    await Promise.race([records.settled(group, 'events'), started.done])
    await started.stop()
    // [60, 120) lacks its first 35 s; [120, 180) closes at 181, and a horizon after the first event
    // is 95 + 60 + 1.
    expect(counts(records, skip)).toEqual([25, 60, 60, 60, 60])
    expect(warmings(records, skip)).toEqual([true, false, false, false, false])
    expect(watch.of('warming')).toHaveLength(1)
    expect(watch.of('whole')).toHaveLength(1)
  })

  test('results go on saying so after a restart in between', async () => {
    const records = await afterHundred()
    records.deleteBefore({ ...EVENTS, offset: 95 })
    const skip = records.read('sums').length
    await run(records, [longer()])
    for (let s = 100; s < 300; s += 10) {
      sendSeconds(records, s, s + 10)
      await run(records, [longer()])
    }
    expect(counts(records, skip)).toEqual([25, 60, 60])
    expect(warmings(records, skip)).toEqual([true, false, false])
  })

  test('retention that passes the start of a replay while it runs makes it begin again', async () => {
    const records = topics()
    sendSeconds(records, 0, 100)
    await run(records, [sums('sums', { length: 60 })])
    sendSeconds(records, 100, 300)
    const { worker: started, watch } = await worker(records, [sums('sums', { length: 60 })])
    await watch.until((w) => w.of('restoring').length > 0)
    records.deleteBefore({ ...EVENTS, offset: 90 })
    await settled(records, started)
    await started.stop()
    expect(watch.of('restoring').at(-1)?.reason).toMatch(/are no longer in the log$/)
    expect(counts(records)).toEqual([60, 30, 60, 60])
    expect(warmings(records)).toEqual([false, true, false, false])
  })

  test('records that were never read are lost, and end the worker', async () => {
    const records = await afterHundred()
    sendSeconds(records, 100, 200)
    const { worker: started, watch } = await worker(records, [sums('sums')])
    await watch.until((w) => w.of('restoring').length > 0)
    records.deleteBefore({ ...EVENTS, offset: 150 })
    await expect(started.done).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })
})

describe('how much of the log windows are rebuilt from', () => {
  const minute = () => sums('sums', { length: 60 })
  test('can be limited by the time of its records, and results say what that leaves out', async () => {
    const records = topics()
    sendSeconds(records, 0, 400)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 200, metadata: '' })
    const { watch } = await run(records, [minute()], { rebuildMs: 50_000 })
    expect(watch.of('restoring')[0]).toMatchObject({ fromOffset: 150, toOffset: 200 })
    // [180, 240) is whole, but that only shows when the watermark is past 150 + 60 + 1.
    expect(counts(records)).toEqual([60, 60, 60])
    expect(warmings(records)).toEqual([false, false, false])
  })

  test('a limit longer than the windows costs them nothing; a shorter one does', async () => {
    const records = topics()
    sendSeconds(records, 0, 400)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 200, metadata: '' })
    await run(records, [minute()], { rebuildMs: 5_000 })
    expect(counts(records)).toEqual([45, 60, 60])
    expect(warmings(records)).toEqual([true, false, false])
  })

  test('none begins with empty windows, which say so until a horizon has passed', async () => {
    const records = topics()
    sendSeconds(records, 0, 400)
    records.resetOffset(GROUP, EVENTS, { nextOffset: 200, metadata: '' })
    const { watch } = await run(records, [minute()], { rebuildMs: 0 })
    expect(watch.of('restoring')).toEqual([])
    expect(watch.of('warming')).toHaveLength(1)
    expect(counts(records)).toEqual([40, 60, 60])
    expect(warmings(records)).toEqual([true, false, false])
  })

  test('it does not matter where a note tells what windows need', async () => {
    const records = await afterHundred()
    sendSeconds(records, 100, 200)
    await run(records, [sums('sums')], { rebuildMs: 0 })
    expect(counts(records).every((n) => n === 10)).toBe(true)
    expect(warmings(records)).not.toContain(true)
  })
})

describe('a group that begins at the end of the log', () => {
  test('has its windows from the log before, and its first result from there on', async () => {
    const records = topics()
    sendSeconds(records, 0, 95)
    const { worker: started, watch } = await worker(records, [sums('sums')], { from: 'latest' })
    await watch.until((w) => w.of('restored').length > 0)
    sendSeconds(records, 95, 112)
    await settled(records, started)
    await started.stop()
    expect(watch.of('restoring')[0]).toMatchObject({ fromOffset: 0, toOffset: 95 })
    expect(counts(records)).toEqual([10, 10])
  })

  test('goes on making them when it is interrupted', async () => {
    const records = topics()
    sendSeconds(records, 0, 95)
    const { watch } = await worker(records, [sums('sums')], { from: 'latest' })
    await watch.until((w) => w.of('committed').length > 0)
    expect(watch.of('restored')).toEqual([])
    records.crash()
    sendSeconds(records, 95, 112)
    const { watch: second } = await run(records, [sums('sums')])
    expect(second.of('restoring')[0]).toMatchObject({ fromOffset: 0, toOffset: 95 })
    expect(counts(records)).toEqual([10, 10])
  })
})
