import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import { topicsOf } from '../bench/stage.ts'
import { until } from '../services/cluster.ts'
import { membersOf, type Offset, resetOffsets } from '../services/group.ts'
import type { Ground } from '../soak/course.ts'
import { address } from './ask-anyone.ts'
import type { VerbName } from './schedule.ts'
import type { Verb } from './verb.ts'

// Workers that end, stand still, come and go, read a wrong clock, and find other offsets than they
// left.

/** A process starts, on a machine that may have no free core. */
const SEEN_WITHIN_MS = 90_000
const BACK_BY = 500

type WorkerVerb = Exclude<
  Extract<VerbName, `${string}worker` | 'scale' | 'clock jump' | 'reset offsets'>,
  'remake topic'
>

export const workerVerbs: Readonly<Record<WorkerVerb, Verb>> = {
  'kill worker': async ({ workers }, { target }) => {
    const startMs = performance.now()
    await workers.kill(target)
    return `its next life had joined after ${secondsSince(startMs)} s`
  },
  'stop worker': async ({ workers }, { target }) => {
    const startMs = performance.now()
    // Another exit than 0 is found at the end.
    await workers.restart(target)
    return `its next life had joined after ${secondsSince(startMs)} s`
  },
  'freeze worker': async (ground, { target, lastsS }) => {
    const { workers } = ground
    workers.signal(target, 'SIGSTOP')
    try {
      await Promise.all([isMember(ground, target, false), sleep(lastsS * 1_000)])
    } finally {
      workers.signal(target, 'SIGCONT')
    }
    await isMember(ground, target, true)
    return 'the group went on without it, and took it back'
  },
  scale: async (ground) => {
    const name = 'w-more'
    ground.workers.add(name)
    await isMember(ground, name, true)
    await ground.workers.remove(name)
    await isMember(ground, name, false)
    return 'the group had one more, and gave its partitions back'
  },
  'clock jump': async ({ workers }, { target, lastsS }) => {
    const before = workers.log(target).length
    let read: string | undefined
    const isRead = async () => {
      read = /the clock was read .* off/.exec(workers.log(target).slice(before))?.[0]
      return read !== undefined
    }
    // One that has just been started would be ended by the signal.
    await until('started', async () => /worker starts/.test(workers.log(target)), SEEN_WITHIN_MS)
    workers.signal(target, 'SIGUSR2')
    try {
      await Promise.all([until('read wrong', isRead, SEEN_WITHIN_MS), sleep(lastsS * 1_000)])
    } finally {
      workers.signal(target, 'SIGUSR2')
    }
    return String(read)
  },
  'reset offsets': async (ground) => {
    const { workers, group, options, admin } = ground
    const topic = topicsOf(group).payments
    const names = workers.names
    // Payments read again come out again. Under exactly-once none may, so offsets stay where they
    // are, without what workers note.
    const back = options.guarantee === 'at-least-once' ? BACK_BY : 0
    let offsets: readonly Offset[] = []
    const areSet = async () => {
      offsets = await offsetsOf(admin, { group, topic, back })
      await resetOffsets(await address(ground), { group, topic, offsets })
      return true
    }
    await Promise.all(names.map((name) => workers.remove(name)))
    try {
      const isEmpty = async () => (await membersOf(await address(ground), group)).length === 0
      await until('empty', isEmpty, SEEN_WITHIN_MS)
      await until('set', areSet, SEEN_WITHIN_MS)
    } finally {
      for (const name of names) workers.add(name)
    }
    const areTakenOver = async () => {
      const [now] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      return offsets.every(({ partition }) =>
        now?.partitions.some((p) => p.partition === partition && (p.metadata ?? '') !== ''),
      )
    }
    await until('taken over', areTakenOver, SEEN_WITHIN_MS)
    return `${offsets.length} offsets were set ${back === 0 ? 'where they stood' : `${back} back`}, without a note, and noted again`
  },
}

/** The committed offsets, or so much before them. @throws Error when nothing is */
async function offsetsOf(
  admin: Admin,
  { group, topic, back }: { group: string; topic: string; back: number },
): Promise<Offset[]> {
  const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  const offsets = (found?.partitions ?? [])
    .filter(({ offset }) => Number(offset) >= 0)
    .map((p) => ({ partition: p.partition, offset: Math.max(0, Number(p.offset) - back) }))
  if (offsets.length === 0) throw new Error('nothing was committed')
  return offsets
}

/** Resolves when the group has a worker of that name, or has none. */
async function isMember(ground: Ground, name: string, wanted: boolean): Promise<void> {
  const isSo = async () => {
    const members = await membersOf(await address(ground), ground.group)
    return members.includes(name) === wanted
  }
  await until(`${wanted ? 'with' : 'without'} ${name}`, isSo, SEEN_WITHIN_MS)
}

function secondsSince(startMs: number): string {
  return ((performance.now() - startMs) / 1_000).toFixed(1)
}
