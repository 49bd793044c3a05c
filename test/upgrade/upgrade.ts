import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { build } from '../bench/build.ts'
import { topicsOf } from '../bench/stage.ts'
import { onOwnKafka } from '../chaos/place.ts'
import { type Ground, runCourse } from '../soak/course.ts'
import { faultsOf, linesOf } from '../soak/judgement.ts'
import { checkout, TOPOLOGY } from './checkout.ts'

// Workers of an older version under load become workers of this one, one after the other; then a
// verdict on what they left. npx tsx test/upgrade/upgrade.ts [COMMIT]

/** The older version. @default the last one that cut commits by records and sent kafkajs' requests */
const FROM = process.argv[2] ?? 'f3d12975489a'
const MODEL = join(import.meta.dirname, '../fixtures/models/card-gbdt.onnx')
const WORKERS = 3
const PER_SECOND = 1_000
/** From one worker to the next. */
const EVERY_S = 8
/** Ended with kill -9 before its upgrade; the others in order. */
const KILLED = 'w2'

async function main(): Promise<void> {
  const old = await checkout(FROM)
  if (old === null) {
    say(`ROLLING UPGRADE: NOT TESTED (the history here does not hold ${FROM}: a shallow clone?)`)
    return
  }
  const ended = untilSignal()
  const aborted = ended.promise.then((): never => {
    throw new Error('interrupted')
  })
  aborted.catch(() => {})
  try {
    await build()
    const upgraded = new Set<string>()
    const seconds = (WORKERS + 2) * EVERY_S
    const report = await onOwnKafka({ nodes: 1, hasDisks: false }, (place) =>
      runCourse(
        {
          ...{ ...place, model: MODEL, seconds, perSecond: PER_SECOND, workers: WORKERS },
          ...{ partitions: 6, guarantee: 'exactly-once' },
          workerFlags: ['--worker-name', '{name}', '--session-timeout', '6'],
          topology: TOPOLOGY,
          rootOf: (name) => (upgraded.has(name) ? undefined : old),
          trouble: (ground) => upgradeAll(ground, upgraded),
        },
        aborted,
      ),
    )
    const faults = faultsOf(report)
    for (const line of linesOf(report)) say(line)
    const ok = faults.length === 0
    say(ok ? `the upgrade from ${FROM} is passed` : `the upgrade is FAILED: ${faults.join('; ')}`)
    if (ok) rmSync(report.folder, { recursive: true })
    else process.exitCode = EXIT.failed
  } finally {
    ended.dispose()
    rmSync(old, { recursive: true })
  }
}

/** Each worker in turn; before each, what there is must have got on with its work. */
async function upgradeAll({ workers, group, admin }: Ground, upgraded: Set<string>) {
  const faults: string[] = []
  const topic = topicsOf(group).payments
  let before = 0
  for (const name of workers.names) {
    await sleep(EVERY_S * 1_000)
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const committed = (found?.partitions ?? []).reduce((sum, p) => sum + Number(p.offset), 0)
    if (committed <= before) faults.push(`nothing was done before ${name} was upgraded`)
    before = committed
    upgraded.add(name)
    await (name === KILLED ? workers.kill(name) : workers.restart(name))
    say(`${committed} payments are done; ${name} is of this version now`)
  }
  return faults
}

try {
  await main()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
