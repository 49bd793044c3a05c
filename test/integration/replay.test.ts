import { expect } from 'vitest'
import type { LogRecord } from '../../src/records/port.ts'
import { kafkaTest } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'
import { changedModel, partsOf, ReplayedRun } from './replayed-run.ts'

/** Works, is killed once some outputs are there, and another one works the rest. */
async function killedRun(run: ReplayedRun): Promise<void> {
  await run.update(0)
  const first = run.work()
  await first.says('worker is running')
  for (let round = 1; round <= 5; round++) {
    await run.pay(150)
    await run.update(round, 4)
  }
  while ((await run.outputs()) < 200) await new Promise((resolve) => setTimeout(resolve, 50))
  first.process.kill('SIGKILL')
  await first.ended
  await run.pay(150)
  const second = run.work()
  await second.says('worker is running')
  for (let round = 6; round <= 10; round++) {
    await run.pay(150)
    await run.update(round, 4)
  }
  await run.allCommitted()
  second.process.kill('SIGTERM')
  await second.ended
}

kafkaTest(
  'a run with a kill and updates of a table is made again to the bit; what is changed in it is found',
  async (kafka) => {
    const run = await ReplayedRun.on(kafka)
    try {
      await killedRun(run)
      const verify = (others = {}, ...more: string[]) =>
        tidemark(['replay', ...run.flags(others), '--verify', 'scores', ...more])
      const same = await verify()
      console.log(same.stdout, same.stderr)
      expect(same.code).toBe(0)
      let n = 0
      const scoresWithout = await run.copy('scores', (of) => (++n === 100 ? [] : [of]))
      const removed = await verify({ scores: scoresWithout })
      console.log(removed.stdout, removed.stderr)
      n = 0
      const twice = await verify({
        scores: await run.copy('scores', (of) => (++n === 100 ? [of, of] : [of])),
      })
      console.log(twice.stdout, twice.stderr)
      const model = await verify({}, '--model', `risk=${changedModel()}`)
      console.log(model.stdout, model.stderr)
      const change = await tidemark(['replay', ...run.flags(), '--model', `risk=${changedModel()}`])
      console.log(change.stdout, change.stderr)
      n = 0
      const row = (of: LogRecord) =>
        ++n === 10 ? [{ ...partsOf(of), value: Buffer.from('{"risk":0.5}') }] : [of]
      const rows = await verify({ merchants: await run.copy('merchants', row) })
      console.log(rows.stdout, rows.stderr)
      n = 0
      const amount = (of: LogRecord) => {
        const value = Buffer.from(String(of.value).replace(/"amount":[\d.]+/, '"amount":0.5'))
        return [++n === 300 ? { ...partsOf(of), value } : of]
      }
      const records = await verify(await run.copyOfSource(amount))
      console.log(records.stdout, records.stderr)
    } finally {
      await run.close()
    }
  },
)
