import { describe, expect } from 'vitest'
import { kafkaTest } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'
import { changedModel, partsOf, ReplayedRun } from './replayed-run.ts'

const ROUNDS = 5
const PAYMENTS = 150

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

/** Changes only the nth record, if there are several the last of that number. */
function nth<T>(n: number, change: (record: T) => readonly T[]): (record: T) => readonly T[] {
  let left = n
  return (record) => (left-- === 0 ? change(record) : [record])
}

describe('a run with a kill and updates of its table', () => {
  kafkaTest(
    'is made again to the bit, and what is changed in it alone is found, with the reason',
    async (kafka) => {
      const run = await ReplayedRun.on(kafka)
      try {
        await killedRun(run)
        const all = (2 * ROUNDS + 1) * PAYMENTS
        const verify = (others = {}, ...more: string[]) =>
          tidemark(['replay', ...run.flags(others), '--verify', 'scores', ...more])

        const same = await verify()
        expect(same.stdout).toContain(`${all.toLocaleString('en')} equal, 0 different`)
        expect(same.code).toBe(0)
        expect((await run.positions()).size).toBeGreaterThan(ROUNDS)

        const removed = await verify({
          scores: await run.copy(
            'scores',
            nth(100, () => []),
          ),
        })
        console.log(removed)
        const twice = await verify({
          scores: await run.copy(
            'scores',
            nth(100, (of) => [of, of]),
          ),
        })
        console.log(twice)
        const model = await verify({}, '--model', `risk=${changedModel()}`)
        console.log(model.stdout)
        const row = nth<any>(2, (of) => [{ ...partsOf(of), value: Buffer.from('{"risk":0.5}') }])
        const rows = await verify({ merchants: await run.copy('merchants', row) })
        console.log(rows.stdout)
        const amount = nth<any>(300, (of) => {
          const value = Buffer.from(String(of.value).replace(/"amount":[\d.]+/, '"amount":0.5'))
          return [{ ...partsOf(of), value }]
        })
        const records = await verify(await run.copyOfSource(amount))
        console.log(records.stdout)
        const change = await tidemark([
          'replay',
          ...run.flags(),
          '--model',
          `risk=${changedModel()}`,
        ])
        console.log(change)
      } finally {
        await run.close()
      }
    },
  )
})
