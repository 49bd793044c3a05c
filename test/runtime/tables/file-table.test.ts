import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ConditionVariable } from '../../../src/kernel/condition-variable.ts'
import { LoadedTable, TableRoom } from '../../../src/lookup/table.ts'
import { readTables, rowMaker } from '../../../src/lookup/table-file.ts'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'
import { FileTable } from '../../../src/runtime/tables/file-table.ts'
import type { TableDefinition } from '../../../src/topology/definition.ts'
import { folderWith } from '../../support/folder.ts'
import { HASH } from '../../support/hash.ts'
import { Merchant } from './merchants.ts'

const row = (id: string, risk: number | string) => `${JSON.stringify({ id, risk })}\n`

test('a file that another was renamed to is read again; a faulty one leaves the table as it is', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const folder = folderWith({ 'merchants.ndjson': row('a', 1) })
  const path = join(folder, 'merchants.ndjson')
  const definition: TableDefinition = {
    ...{ name: 'merchants', schema: Merchant, format: { is: 'json' }, asOf: null },
    key: (merchant) => (merchant as { id: string }).id,
    from: { file: pathToFileURL(path) },
  }
  const room = new TableRoom(1e9)
  const parts = { label: 'merchants', make: rowMaker(definition), room, hash: HASH }
  const table = new LoadedTable(definition, parts)
  expect(await readTables([table])).toEqual([])
  const before = table.contents

  const [events, changed] = [[] as RuntimeEvent[], new ConditionVariable()]
  const of = new FileTable(table, {
    observer: (event) => {
      events.push(event)
      changed.notifyAll()
    },
  })
  onTestFinished(() => of.stop())
  of.start()
  const replace = async (content: string, type: RuntimeEvent['type']) => {
    const seen = events.length
    writeFileSync(join(folder, 'new'), content)
    renameSync(join(folder, 'new'), path)
    vi.advanceTimersToNextTimer()
    await changed.until(() => events.slice(seen).some((event) => event.type === type))
  }
  const risks = () =>
    ['a', 'b'].map((id) => (table.get(id, 0) as { risk: number } | undefined)?.risk)

  await replace(row('a', 2) + row('b', 3), 'table-reloaded')
  expect(risks()).toEqual([2, 3])
  expect(table.contents).not.toBe(before)

  await replace(row('a', 4) + row('b', 'high'), 'trouble')
  expect(risks()).toEqual([2, 3])
  expect(events.at(-1)).toMatchObject({
    kind: 'table',
    reason: `table "merchants": risk: Invalid input: expected number, received string (${path}:2)`,
  })

  await replace(row('b', 5), 'table-reloaded')
  expect(risks()).toEqual([undefined, 5])
  const told = events.filter(({ type }) => type === 'trouble')
  expect(told.at(-1)).toMatchObject({ reason: null })
})
