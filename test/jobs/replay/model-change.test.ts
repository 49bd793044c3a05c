import { expect, test } from 'vitest'
import { ModelChange } from '../../../src/jobs/replay/model-change.ts'
import { WrittenOutputs } from '../../../src/jobs/replay/written-outputs.ts'
import { sinkStepsOf } from '../../../src/topology/graph.ts'
import { scored } from '../../runtime/support.ts'

const EVENTS = 100

function output(offset: number, value: object) {
  const header = { name: 'tidemark-id', value: Buffer.from(`events/0/${offset}/scores`) }
  const json = Buffer.from(JSON.stringify(value))
  return { offset, timestampMs: 0, key: Buffer.from(`k${offset}`), value: json, headers: [header] }
}

test('the report has the flips, the quantiles and the 20 largest changes of each number that changes', () => {
  const range = { partition: 0, from: 0, to: EVENTS, lowOffset: 0 }
  const outputs = new WrittenOutputs(scored, sinkStepsOf(scored.then), [range])
  const change = new ModelChange(outputs)
  const cause = (of: number) => ({ topic: 'events', partition: 0, sink: 'scores', of })
  for (let i = 0; i < EVENTS; i++) {
    const record = output(i, { amount: i, score: { p: i / 200 }, isHigh: false })
    const written = outputs.add(cause(i), record, 0)
    if (written !== null) change.wrote(cause(i), written, record)
  }
  for (let i = 1; i < EVENTS; i++) {
    const isHigh = i >= 98
    const record = output(i, { amount: i, score: { p: i / 100 }, isHigh })
    const written = outputs.find(cause(i))
    change.made(cause(i), record, written)
    if (written !== null) written.isMade = true
  }
  change.made(cause(EVENTS), output(EVENTS, { amount: 0 }), null)
  const text = change.describe()
  expect(text).toContain('99 outputs compared, 1 only now, 1 only then\n')
  const [p, isHigh] = text.split('\nscores.').slice(1)
  expect(p).toContain('score.p, 99 outputs\n  mean  +0.25, absolute 0.25\n')
  expect(p).toContain('  at 0.5: 50 up, 0 down, 50.51 %\n')
  expect(p).toMatch(/ {2}scores of events-0@99 +k99 +0\.495 +0\.99 +\+0\.495\n/)
  expect(p?.match(/scores of events/g)).toHaveLength(20)
  expect(isHigh).toContain('isHigh, 99 outputs\n')
  expect(isHigh).toContain('  at 0.5: 2 up, 0 down, 2.02 %\n')
  expect(text).not.toContain('scores.amount')
})
