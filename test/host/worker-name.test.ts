import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { claimName, fitHost } from '../../src/host/worker-name.ts'
import { isWorkerName } from '../../src/runtime/config.ts'

async function nameOf(given: string | null, group = `group-${randomUUID()}`) {
  const name = await claimName(given, group)
  onTestFinished(name.release)
  return name
}

test('a name that is given is taken as it is, and none is none', async () => {
  expect(await nameOf('scorer-0')).toMatchObject({ text: 'scorer-0', isDefault: false })
  expect(await nameOf('none')).toMatchObject({ text: null, isDefault: false })
})

test('without one it is the host and a number that no other worker of the group has there', async () => {
  const group = `group-${randomUUID()}`
  const names = [await nameOf(null, group), await nameOf(null, group)]
  const host = fitHost(hostname())
  expect(names).toMatchObject([
    { text: `${host}-1`, isDefault: true },
    { text: `${host}-2`, isDefault: true },
  ])
  names[0]?.release()
  expect(await nameOf(null, group)).toMatchObject({ text: `${host}-1` })
})

test.each([
  ['ip-10-0-0-7.internal', 'ip-10-0-0-7.internal'],
  ["Ada's MacBook (2)", 'Ada-s-MacBook-2-'],
  ['büro', 'b-ro'],
  ['', 'host'],
  ['x'.repeat(200), 'x'.repeat(90)],
])('of a host "%s" a name has "%s"', (host, fit) => {
  expect(fitHost(host)).toBe(fit)
  expect(isWorkerName(`${fit}-1000`)).toBe(true)
})
