import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { type Answer, AskedWorkers, expectSame, type Sent } from '../serve/asked-first.ts'
import {
  askedFlights,
  askedPayments,
  FLIGHTS,
  flights,
  PAYMENTS,
  payments,
} from '../serve/asked-topologies.ts'

// Each event is asked about, and then it comes: some thousands; 100,000 with
// TIDEMARK_TEST_EVENTS=100000. There are 23,591 flights.

const EVENTS = Number(process.env['TIDEMARK_TEST_EVENTS'] ?? 2_000)
/** More can be asked about at the same time. */
const PARTITIONS = 24
/** The last ones are asked about once more, and do not come. */
const ASKED_AGAIN = 500
const MS_EACH = 50

const open: AskedWorkers[] = []
afterEach(async () => {
  for (const workers of open.splice(0)) await workers.close()
})

test.each([
  ['payments, with merchants that change', [askedPayments, PAYMENTS, () => payments(EVENTS, 200)]],
  ['flights, with planes that change', [askedFlights, FLIGHTS, () => flights(EVENTS)]],
] as const)(
  '%s: each event gets what the stream then writes, and asking changes the state of no key',
  { timeout: 240_000 + EVENTS * MS_EACH },
  async (_, [definition, topics, events]) => {
    const asked = new AskedWorkers(definition, topics, { partitions: PARTITIONS })
    open.push(asked)
    for (let i = 0; i < 3; i++) await asked.start()
    await asked.settled()
    const answers = await asked.askThenSend(events())
    const own = [...events()].filter(({ topic }) => topic === undefined)
    expect(answers).toHaveLength(own.length)
    for (const answer of answers) expectSame(answer)
    const outcomes = new Set(answers.map(({ body }) => body.why ?? body.code ?? 'scored'))
    expect([...outcomes]).toEqual(expect.arrayContaining(['scored', 'skipped', 'LATE']))

    // Comparing may have taken so long that connections are closed, which is seen now.
    await sleep(1)
    const keys = [...new Set(own.map(({ key }) => key))]
    const before = await statesOf(asked, definition.name, keys)
    expect(before.filter((state) => 'asOf' in state).length).toBeGreaterThan(20)
    const again = await askAbout(asked, definition.name, own.slice(-ASKED_AGAIN))
    expect(again).toContain(200)
    expect(await statesOf(asked, definition.name, keys)).toEqual(before)
  },
)

async function statesOf(
  asked: AskedWorkers,
  name: string,
  keys: readonly string[],
): Promise<readonly Answer[]> {
  const states: Answer[] = []
  for (const [at, key] of keys.entries()) {
    states.push((await asked.ask(`/state/${name}/${encodeURIComponent(key)}`, { at })).body)
  }
  return states
}

async function askAbout(
  asked: AskedWorkers,
  name: string,
  events: readonly Sent[],
): Promise<readonly number[]> {
  const statuses: number[] = []
  for (const [at, { key, value: body }] of events.entries()) {
    statuses.push((await asked.ask(`/predict/${name}`, { at, key, body })).status)
  }
  return statuses
}
