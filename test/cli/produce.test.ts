import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { ReplayPace } from '../../src/cli/pace.ts'
import { batchesOf, type LineFlags } from '../../src/cli/produce.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { sleeplessClock } from '../support/clocks.ts'

const flags: LineFlags = { topic: 't', timestamps: 'now', header: [] }

async function recordsOf(text: string, given: Partial<LineFlags>): Promise<NewRecord[]> {
  const input = { file: 'f', stream: Readable.from([Buffer.from(text)]) }
  const records: NewRecord[] = []
  const pace = new ReplayPace(Infinity, new AbortController().signal)
  for await (const batch of batchesOf(input, { ...flags, ...given }, pace)) {
    records.push(...batch)
  }
  return records
}

test('a line is keyed by what stands before its tab, else by the field that --key names', async () => {
  const records = await recordsOf('k1\t{"id":"x"}\n{"id":"k2"}\n', { key: 'id' })
  expect(records.map(({ key, value }) => [String(key), String(value)])).toEqual([
    ['k1', '{"id":"x"}'],
    ['k2', '{"id":"k2"}'],
  ])
  expect((await recordsOf('{"id":"k2"}', {})).map((r) => r.key)).toEqual([null])
})

test('--timestamps event gives a record the time of its event', async () => {
  const given = { time: 'at', timestamps: 'event' } as const
  expect((await recordsOf('{"at":1700000000000}', given))[0]?.timestampMs).toBe(1_700_000_000_000)
})

test('--key and --time take fields within others, and a time may be text', async () => {
  const given = { key: 'machine.id', time: 'machine.at', timestamps: 'event' } as const
  const line = '{"machine":{"id":"m-1","at":"2026-03-01T12:00:00+02:00"}}'
  const [record] = await recordsOf(line, given)
  expect(record?.key).toEqual(Buffer.from('m-1'))
  expect(record?.timestampMs).toBe(Date.UTC(2026, 2, 1, 10))
})

test('--header gives every record its headers', async () => {
  const header = [{ name: 'content-type', value: Buffer.from('text/plain') }]
  const records = await recordsOf('k\ta\nk\tb', { header })
  expect(records.map(({ headers }) => headers)).toEqual([header, header])
})

test.each([
  ['not JSON', { key: 'id' }, 'the line is not a JSON object'],
  ['{"id":7}', { key: 'id' }, 'field "id" is not a string'],
  ['{"at":"noon"}', { time: 'at' }, 'field "at" is not a time'],
])(
  '%j without the field that is needed is refused with its place',
  async (line, given, message) => {
    const input = `k\t{"at":1}\n${line}`
    await expect(recordsOf(input, given)).rejects.toMatchObject({ where: 'f:2', message })
  },
)

test('--speed plays event times that many times faster, in order, early ones not before they are due', async () => {
  const clock = sleeplessClock()
  const pace = new ReplayPace(10, new AbortController().signal, clock)
  const times = [5_000, 5_000, 4_000, 15_000, 15_500]
  const stream = Readable.from([Buffer.from(times.map((at) => `k\t{"at":${at}}`).join('\n'))])
  const batches: [number, number][] = []
  for await (const batch of batchesOf({ file: 'f', stream }, { ...flags, time: 'at' }, pace)) {
    batches.push([clock.elapsedMs() - 1_000, batch.length])
  }
  expect(batches).toEqual([
    [0, 3],
    [1_000, 1],
    [1_050, 1],
  ])
})

test('a pace that is stopped hands out nothing more', async () => {
  const stop = new AbortController()
  const pace = new ReplayPace(1, stop.signal, sleeplessClock())
  const stream = Readable.from([Buffer.from('k\t{"at":1}\nk\t{"at":99}\n')])
  const sizes: number[] = []
  for await (const batch of batchesOf({ file: 'f', stream }, { ...flags, time: 'at' }, pace)) {
    sizes.push(batch.length)
    stop.abort()
  }
  expect(sizes).toEqual([1])
})

test('a value is encoded, its key and time are those of the line', async () => {
  const encode = (json: Buffer) => Buffer.from(`<${String(json)}>`)
  const records = await recordsOf('k\t{"at":5}\n', { encode, time: 'at', timestamps: 'event' })
  expect(records).toMatchObject([{ key: Buffer.from('k'), timestampMs: 5 }])
  expect(String(records[0]?.value)).toBe('<{"at":5}>')
})

test('a line that does not fit the schema is refused with its place', async () => {
  const encode = (json: Buffer) => {
    if (json.length > 2) throw new TidemarkError('OUTPUT_INVALID', 'field n is wrong')
    return json
  }
  await expect(recordsOf('{}\n\n{"n":1}\n', { encode })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'f:3',
    message: 'field n is wrong',
  })
})
