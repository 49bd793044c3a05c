import { expect, test } from 'vitest'
import { ListedRecords } from '../../../../src/connect/log-records.ts'
import type { WindowResult } from '../../../../src/engine/events.ts'
import { outputId, windowId } from '../../../../src/kernel/ids.ts'
import type { OutputContext } from '../../../../src/runtime/output/outputs.ts'
import { originOf } from '../../../../src/runtime/output/shadow/kept-rows.ts'
import { record, START_MS } from '../../support.ts'

const source = { topic: 'events', partition: 3 }
const records = new ListedRecords([record(10), record(11)])
const present = { earliestMs: 77, latestMs: 78 }
const from = { source, present, records } as unknown as OutputContext
const sink = 'shadow-scores'

function windowOf(key: string, of: Partial<WindowResult>): WindowResult {
  return { key, keyNumber: 0, startMs: 60, endMs: 70, isFinal: true, cause: 0, event: {}, ...of }
}

function all(windows: readonly WindowResult[] | null, rows: readonly number[]) {
  return rows.map((row) => {
    const { key, id, timestampMs } = originOf(row, {
      ready: { indices: [0, 1], windows },
      ...{ from, sink },
    })
    return [String(key), id, timestampMs]
  })
}

test('an event has the key and time of its record, and an id at the sink of the shadow', () => {
  expect(all(null, [1])).toEqual([['k', outputId({ ...source, offset: 11, sink }), START_MS + 11]])
})

test('the result of a window has its key, and the id of the window if it is final', () => {
  const windows = [windowOf('größe', {}), windowOf('b', { isFinal: false, cause: 1 })]
  expect(all(windows, [0, 1])).toEqual([
    ['größe', windowId({ ...source, sink, key: 'größe', startMs: 60 }), START_MS + 10],
    ['b', outputId({ ...source, offset: 11, sink }), START_MS + 11],
  ])
})

test('the result of a window that time has closed has the present time', () => {
  const windows = [windowOf('a', { cause: null })]
  expect(all(windows, [0])).toEqual([
    ['a', windowId({ ...source, sink, key: 'a', startMs: 60 }), 77],
  ])
})
