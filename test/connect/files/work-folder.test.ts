import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WorkFolder } from '../../../src/connect/files/work-folder.ts'
import { folderWith } from '../../support/folder.ts'

const KEPT = { isKept: true }
const NEW = { isKept: false }
const { pid: DEAD } = spawnSync('true')
const HERE = hostname()
const PARENT = process.ppid

/** An output whose lock this process has, touched so many seconds ago. */
function locked(lock: string, secondsAgo: number): string {
  const output = join(folderWith({ '_temporary/out.lock': lock }), 'out')
  const at = Date.now() / 1_000 - secondsAgo
  utimesSync(join(output, '../_temporary/out.lock'), at, at)
  return output
}

test.each([
  { who: 'a process that is alive', host: HERE, pid: PARENT },
  { who: 'a process of another host', host: 'elsewhere', pid: DEAD },
])('an output that $who makes is refused, with who it is', async ({ host, pid }) => {
  const output = locked(JSON.stringify({ host, process: pid }), 30)
  await expect(WorkFolder.lock(output, NEW)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: `process ${pid} on ${host} is making this output`,
    where: output,
  })
})

test.each([
  ['whose process has died', JSON.stringify({ host: HERE, process: DEAD }), 0],
  ['that its process no longer touches', JSON.stringify({ host: HERE, process: PARENT }), 61],
  ['of another host that is no longer touched', '{"host":"elsewhere","process":1}', 61],
  ['that was cut off while it was written', '', 61],
])('a lock %s is taken', async (_, lock, secondsAgo) => {
  const output = locked(lock, secondsAgo)
  const folder = await WorkFolder.lock(output, NEW)
  await expect(WorkFolder.lock(output, NEW)).rejects.toThrow(`process ${process.pid} on ${HERE}`)
  await folder.release()
  await (await WorkFolder.lock(output, NEW)).release()
})

test('what an interrupted run has left is kept for one that continues, and removed by another', async () => {
  const output = join(folderWith({}), 'out')
  const first = await WorkFolder.lock(output, NEW)
  await first.save(0, { of: 0 })
  await first.save(10, { of: 10 })
  await first.save(2, { of: 2 })
  await first.save(0, { of: 'newer' })
  await first.release()
  const second = await WorkFolder.lock(output, KEPT)
  expect(await second.saved()).toHaveLength(3)
  expect(await second.saved()).toEqual(
    expect.arrayContaining([{ of: 'newer' }, { of: 2 }, { of: 10 }]),
  )
  await second.release()
  const third = await WorkFolder.lock(output, NEW)
  expect(await third.saved()).toEqual([])
  await third.release()
})

test('an output that is replaced has nothing of the one before it, nor of the work', async () => {
  const output = join(folderWith({ 'out/old/part': 'old' }), 'out')
  const folder = await WorkFolder.lock(output, NEW)
  await folder.save(0, {})
  mkdirSync(folder.parts)
  mkdirSync(join(folder.path, 'scores'))
  writeFileSync(join(folder.path, 'scores/part'), 'new')
  await folder.publish(['scores'], { rows: 1 })
  await folder.release()
  expect(readdirSync(output).sort()).toEqual(['_SUCCESS', '_manifest.json', 'scores'])
  expect(JSON.parse(readFileSync(join(output, '_manifest.json'), 'utf8'))).toEqual({ rows: 1 })
  expect(readdirSync(join(output, '../_temporary'))).toEqual([])
})

test('an output that cannot be written is refused', async () => {
  const output = join(folderWith({ file: '' }), 'file', 'out')
  const refused = { code: 'CONFIG_INVALID', where: output }
  await expect(WorkFolder.lock(output, NEW)).rejects.toMatchObject(refused)
  expect(existsSync(output)).toBe(false)
})

test('a folder that cannot be made is refused, also where Node would try for ever', async () => {
  await expect(WorkFolder.lock('/proc/none/out', { isKept: false })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: '/proc/none/out',
  })
})

test('a full disk is told with the file of what is saved', async () => {
  const folder = await WorkFolder.lock(join(folderWith({}), 'out'), NEW)
  const path = join(folder.path, '_progress-0.json.new')
  symlinkSync('/dev/full', path)
  await expect(folder.save(0, {})).rejects.toMatchObject({ code: 'ENOSPC', path })
  await folder.release()
})
