import { replay } from 'tidemark'
import { expect } from 'vitest'
import riskyPayments from '../fixtures/topologies/risky-payments.ts'
import { kafkaTest } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'
import { type Change, changedModel, ReplayedRun, withValue } from './replayed-run.ts'

const ROUNDS = 2
const PAYMENTS = 60
const ALL = (2 * ROUNDS + 1) * PAYMENTS

/** Works until some outputs are there and is killed; another worker works the rest. */
async function killedRun(run: ReplayedRun): Promise<void> {
  await run.update(0)
  const first = run.work()
  await first.says('worker is running')
  await run.payInRounds(ROUNDS, PAYMENTS)
  await run.pay(PAYMENTS)
  first.process.kill('SIGKILL')
  await first.ended
  const second = run.work()
  await second.says('worker is running')
  await run.payInRounds(ROUNDS, PAYMENTS)
  await run.allCommitted()
  second.process.kill('SIGTERM')
  await second.ended
}

/** Changes only one record, the first that is meant. */
function once(isIt: (text: string) => boolean, change: Change): Change {
  let isOver = false
  return (record) => {
    if (isOver || !isIt(String(record.value))) return [record]
    isOver = true
    return change(record)
  }
}

kafkaTest(
  'replay makes a run with a kill and updates of a table again to the bit, and says what was changed in it alone, and why',
  async (kafka) => {
    const run = await ReplayedRun.on(kafka)
    try {
      await killedRun(run)
      const verify = async (others = {}, ...more: string[]) => {
        const ended = await tidemark([
          'replay',
          ...run.flags(others),
          '--verify',
          'scores',
          ...more,
        ])
        const [, counts] = /compared: (.*)\n$/.exec(ended.stdout) ?? []
        return { ...ended, counts }
      }
      expect((await run.positions()).size).toBeGreaterThan(ROUNDS)
      const before = await run.offsets()
      const same = await verify()
      expect(await run.offsets()).toEqual(before)
      expect([same.code, same.stdout]).toEqual([
        0,
        `${ALL} compared: ${ALL} equal, 0 different, 0 missing, 0 twice, 0 additional, 0 in another partition, 0 with another timestamp, 0 not comparable\n`,
      ])

      const { brokers } = kafka
      const { group, topics } = run
      const again = await replay(riskyPayments, { brokers, group, topics, verify: true })
      expect([again.isEqual, again.text]).toEqual([true, expect.stringContaining(' equal, 0 diff')])

      const file = changedModel()
      const model = await verify({}, '--model', `risk=${file}`)
      expect(model.stdout).toMatch(/\nanother model: risk@1\+8c45ed33, now risk@1\+\w{8} +\d+\n/)
      expect(model.stdout.match(/^different: scores /gm)).toHaveLength(1)
      expect(model.stdout).toMatch(/^ {2}value\.score: 0\.\d+ → 0\.\d+$/m)

      const changed = once((text) => text.includes('0.42'), withValue('{"risk":0.5}'))
      const row = await verify({ merchants: await run.copy('merchants', changed) })
      expect(row.counts).toMatch(/equal, \d+ different, 0 missing, 0 twice, 0 additional, 0 in/)
      expect(row.stdout).toContain('a row of a table (merchants) is not what it was')

      const { code, stdout } = await tidemark(['replay', ...run.flags(), '--model', `risk=${file}`])
      expect(code).toBe(0)
      expect(stdout).toMatch(/ outputs compared, 0 only now, 0 only then\n\nscores\.score, /)
      expect(stdout.match(/^ {2}scores of payments/gm)).toHaveLength(20)
    } finally {
      await run.close()
    }
  },
)
