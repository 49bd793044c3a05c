import { expect, onTestFinished } from 'vitest'
import { DISK_MB, WORKERS, withLinks } from '../chaos/place.ts'
import { scheduleOf } from '../chaos/schedule.ts'
import { troubleOf } from '../chaos/trouble.ts'
import { freshKafkaTest } from '../services/own-kafka.ts'
import { type Report, runCourse } from '../soak/course.ts'
import { faultsOf } from '../soak/judgement.ts'

// Half a minute of chaos; ten, and other seeds: test/chaos/chaos.ts.

/** With it eight things go wrong, each of another kind. */
const SEED = 1
const SECONDS = 30
const PER_SECOND = 500
/** A machine that is busy with other tests takes longer to be whole again after each thing. */
const TEST_MS = 600_000
const NAMES = ['w1', 'w2', 'w3']
const hasDisks = process.getuid?.() === 0

freshKafkaTest(
  `workers on three nodes, of which everything goes wrong for ${SECONDS} s, lose nothing and write nothing twice`,
  async (kafka) => {
    const without = hasDisks ? [] : (['fill disk'] as const)
    const of = { seed: SEED, seconds: SECONDS, nodes: 3, workers: NAMES, without }
    const schedule = scheduleOf(of)
    let over = () => {}
    const aborted = new Promise<never>((_, reject) => {
      over = () => reject(new Error('the test is over'))
    })
    aborted.catch(() => {})
    onTestFinished(over)
    const report: Report = await withLinks(kafka, (place) =>
      runCourse(
        {
          ...{ ...place, ...WORKERS, seconds: SECONDS, perSecond: PER_SECOND },
          ...{ workers: NAMES.length, partitions: 6, guarantee: 'exactly-once' },
          trouble: troubleOf(schedule),
        },
        aborted,
      ),
    )
    expect(faultsOf(report)).toEqual([])
    // Without aborted outcomes, nobody was cut off in the middle of anything.
    expect(report.verdict.aborted).toBeGreaterThan(0)
  },
  { nodes: 3, timeoutMs: TEST_MS, ...(hasDisks && { diskMb: DISK_MB }) },
)
