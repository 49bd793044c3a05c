import { expect } from 'vitest'
import type { NewRecord, RecordSink } from '../../src/connect/port.ts'
import { thrownBy } from '../support/thrown.ts'

// The promises of every sink, run on every system that has one.

/** A sink under test, with what the port itself does not offer. */
export interface SinkDriver {
  readonly sink: RecordSink
  /** A record with a key and a value, as the worker gives it to this sink. */
  readonly record: (key: string, value: string) => NewRecord
  /** The values that the system has under a key, the newest last. */
  readonly values: (key: string) => Promise<readonly string[]>
  /** A record that the system never takes, and the code with which it is refused. */
  readonly refused: { readonly record: NewRecord; readonly code: string }
  readonly close: () => Promise<void>
}

type DefineSinkTest = (name: string, run: (driver: SinkDriver) => Promise<void>) => void

export function sinkContract(test: DefineSinkTest): void {
  test('a record is durable once the write resolves', async ({ sink, record, values }) => {
    await sink.write([record('a', '"1"'), record('b', '"2"')])
    expect([(await values('a')).at(-1), (await values('b')).at(-1)]).toEqual(['"1"', '"2"'])
    await sink.write([record('a', '"3"')])
    expect((await values('a')).at(-1)).toBe('"3"')
  })

  test('records may come again, as after a restart', async ({ sink, record, values }) => {
    const records = [record('a', '"1"'), record('b', '"2"')]
    await sink.write(records)
    await sink.write(records)
    expect(new Set(await values('a'))).toEqual(new Set(['"1"']))
  })

  test('a record that is refused is told by its code, and others are taken after it', async (driver) => {
    const { sink, refused, record, values } = driver
    expect((await thrownBy(sink.write([refused.record]))).code).toBe(refused.code)
    await sink.write([record('a', '"1"')])
    expect((await values('a')).at(-1)).toBe('"1"')
  })
}
