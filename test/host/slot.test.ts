import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { claimSlot, type Slot } from '../../src/host/slot.ts'

const SCRIPT = fileURLToPath(new URL('./claims-slot.mjs', import.meta.url))

/** As this system does it, and as those that have neither abstract sockets nor named pipes do. */
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
    const script = `import { claimSlot } from ${JSON.stringify(new URL('../../src/host/slot.ts', import.meta.url))}
await claimSlot(${JSON.stringify(freshGroup())}, ${JSON.stringify(platform)})`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
    const [code] = (await once(spawn(process.execPath, args), 'exit')) as [number]
    expect(code).toBe(0)
  })
})
