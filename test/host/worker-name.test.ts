import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { claimName, claimSlot, fitHost, type Slot } from '../../src/host/worker-name.ts'
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

const SCRIPT = fileURLToPath(new URL('./claims-slot.mjs', import.meta.url))

/** This system, and one that has neither abstract sockets nor named pipes. */
const PLATFORMS = [process.platform, 'darwin'] as const

describe.each(PLATFORMS)('on %s', (platform) => {
  const freshGroup = () => `group-${randomUUID()}`

  async function claim(group: string): Promise<Slot> {
    const slot = await claimSlot(group, platform)
    if (slot === null) throw new Error('no slot is to be had')
    onTestFinished(slot.release)
    return slot
  }

  test('workers of one group get 1, 2, 3; those of another begin at 1', async () => {
    const [one, other] = [freshGroup(), freshGroup()]
    const slots = [await claim(one), await claim(one), await claim(one), await claim(other)]
    expect(slots.map(({ number }) => number)).toEqual([1, 2, 3, 1])
  })

  test('whoever comes next gets the first that is free', async () => {
    const group = freshGroup()
    const first = await claim(group)
    await claim(group)
    first.release()
    expect((await claim(group)).number).toBe(1)
    expect((await claim(group)).number).toBe(3)
  })

  test('one that a process had is free as soon as it is dead, also by kill -9', async () => {
    const group = freshGroup()
    const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, group, platform])
    onTestFinished(() => void child.kill('SIGKILL'))
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    expect(String(said)).toBe('1\n')
    expect((await claim(group)).number).toBe(2)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await claim(group)).number).toBe(1)
  })

  test('one is kept by nothing that would keep the process alive', async () => {
    const script = `import { claimSlot } from ${JSON.stringify(new URL('../../src/host/worker-name.ts', import.meta.url))}
await claimSlot(${JSON.stringify(freshGroup())}, ${JSON.stringify(platform)})`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
    const [code] = (await once(spawn(process.execPath, args), 'exit')) as [number]
    expect(code).toBe(0)
  })
})
