import { expect, test } from 'vitest'
import { DAY } from '../topologies/minutes-by-hand.ts'
import { runOnce, toldIn, toldWith } from '../topologies/restarting-activity.ts'

test('card-activity, stopped and started again 80 times, tells what one run tells, each minute once', async () => {
  expect(await toldWith(80)).toEqual(toldIn(await runOnce(DAY)))
})
