import { openInput } from '../connect/files/lines.ts'
import { configFault } from '../kernel/errors.ts'
import type { Observer } from '../runtime/events.ts'
import type { Prepared } from '../runtime/prepared.ts'
import { OutcomeTally } from './outcome-tally.ts'
import type { JobReport } from './report.ts'
import { runStream } from './run-stream.ts'

const PARTITIONS = 6
/** Rounds go on for so long, ms: in the first ones code is being compiled. */
const ROUNDS_MS = 3_000

/** Runs a topology over a file of events in memory, again and again; the fastest round counts. */
export async function eventTimes(prepared: Prepared, input: string, report: JobReport) {
  const beginMs = performance.now()
  let microsPerEvent = Number.POSITIVE_INFINITY
  for (;;) {
    const tally = new OutcomeTally()
    let stagesMs = 0
    const observer: Observer = (event) => {
      tally.observer(event)
      if (event.type !== 'processed') return
      for (const [stage, ms] of Object.entries(event.stages)) if (stage !== 'wait') stagesMs += ms
    }
    const { signal: stop } = new AbortController()
    const how = { partitions: PARTITIONS, observer, stop, publish: async () => {} }
    await runStream({ prepared, stream: await openInput(input), ...how })
    if (tally.records === 0) throw configFault('has no events', '--input')
    microsPerEvent = Math.min(microsPerEvent, (stagesMs * 1_000) / tally.records)
    if (performance.now() - beginMs < ROUNDS_MS) continue
    report.say(tally.summary())
    return { events: tally.records, microsPerEvent }
  }
}
