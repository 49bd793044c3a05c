import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import {
  type GroupStatus,
  type GroupStatusJob,
  readGroupStatus,
} from '../../src/jobs/group-status.ts'
import { TROUBLES, type TroubleKind, WORST_FIRST } from '../../src/runtime/troubles.ts'

// What the status of a group says of a fault, and the metric with it.

/** Ten times what it takes where nothing else runs. */
const SHOWN_WITHIN_MS = 60_000
const POLL_MS = 250

/** Polls until the status of a group is as it should be. */
export async function shows(
  job: GroupStatusJob,
  holds: (status: GroupStatus, metrics: string) => boolean,
  withinMs = SHOWN_WITHIN_MS,
): Promise<GroupStatus> {
  const untilMs = performance.now() + withinMs
  for (;;) {
    const status = await readGroupStatus(job)
    const answers = job.urls.map(async (url) => (await fetch(new URL('metrics', url))).text())
    const metrics = (await Promise.allSettled(answers)).map((answer) =>
      answer.status === 'fulfilled' ? answer.value : '',
    )
    if (holds(status, metrics.join('\n'))) return status
    if (performance.now() > untilMs) throw new Error(`not so: ${JSON.stringify(status)}`)
    await sleep(POLL_MS)
  }
}

function kindsOf({ workers }: GroupStatus): TroubleKind[] {
  return workers.flatMap(({ troubles }) => troubles.worst.map(({ kind }) => kind))
}

const gaugeOf = (kind: TroubleKind, metrics: string) =>
  Number(new RegExp(`^tidemark_trouble\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(metrics)?.[1])

/** A fault shows as one of these kinds, in the order of the table and with its section. */
export async function showsTrouble(
  job: GroupStatusJob,
  ...kinds: readonly TroubleKind[]
): Promise<void> {
  const status = await shows(job, (now, metrics) =>
    kinds.some((kind) => kindsOf(now).includes(kind) && gaugeOf(kind, metrics) > 0),
  )
  const shown = kindsOf(status)
  const inOrder = shown.toSorted((a, b) => WORST_FIRST.indexOf(a) - WORST_FIRST.indexOf(b))
  expect(shown).toEqual(inOrder)
  for (const { kind, section } of status.workers.flatMap(({ troubles }) => troubles.worst)) {
    expect(section).toBe(`runbook.md#${kind}`)
  }
}

export async function showsEnd(
  job: GroupStatusJob,
  ...kinds: readonly TroubleKind[]
): Promise<void> {
  const noticedMs = Math.max(...kinds.map((kind) => 1_000 * TROUBLES[kind].endsWithinS))
  const isOver = (now: GroupStatus, metrics: string) =>
    kinds.every((kind) => !kindsOf(now).includes(kind) && gaugeOf(kind, metrics) === 0)
  await shows(job, isOver, noticedMs + SHOWN_WITHIN_MS)
}

/** How to ask a worker alone. @param records of any cluster */
export function workerAlone(http: string, records: GroupStatusJob['records']): GroupStatusJob {
  const urls = [new URL(http)]
  return { group: 'none', definitions: [], records, urls, token: null }
}
