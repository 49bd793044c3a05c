import { describe, expect, test } from 'vitest'
import { aucOf, Board } from '../../../src/cli/demo/flights.ts'
import { departure, landing } from './events.ts'

const HOUR_MS = 3_600_000

function boardWithLog(everyMs = 0) {
  const log: string[] = []
  const board = new Board({
    everyMs,
    onDeparture: ({ flightId }) => log.push(`${flightId} leaves`),
    onLanding: ({ flightId }) => log.push(`${flightId} lands`),
  })
  return { board, log }
}

describe('the board', () => {
  test('brings prediction and landing together, whichever comes first', () => {
    const { board, log } = boardWithLog()
    const [early, slow] = [departure('early'), departure('slow')]
    board.add(early)
    board.predict('early', 0.1)
    board.add(landing(early, 0))
    board.add(slow)
    board.add(landing(slow, 40))
    board.predict('slow', 0.9)
    expect(board.verdicts).toEqual([
      { said: 0.1, wasLate: false },
      { said: 0.9, wasLate: true },
    ])
    expect(log).toEqual(['early leaves', 'early lands', 'slow leaves', 'slow lands'])
  })

  test('leaves out a landing whose departure it did not see', () => {
    const { board, log } = boardWithLog()
    board.add(landing(departure('before'), 40))
    expect(board.verdicts).toEqual([])
    expect(log).toEqual([])
  })

  test.each([
    [15, false],
    [16, true],
  ])('says of a flight %i minutes behind that late is %s', (minutes, wasLate) => {
    const { board } = boardWithLog()
    const departed = departure('one')
    board.add(departed)
    board.predict('one', 0.5)
    board.add(landing(departed, minutes))
    expect(board.verdicts).toEqual([{ said: 0.5, wasLate }])
  })

  test('shows in turn a likely punctual, a likely late and an open flight', () => {
    const { board, log } = boardWithLog()
    for (const [flightId, chance] of [
      ['high', 0.6],
      ['low', 0.19],
      ['low again', 0],
      ['high again', 0.6],
      ['still high', 1],
      ['open', 0.2],
      ['last', 0],
    ] as const) {
      board.add(departure(flightId))
      board.predict(flightId, chance)
    }
    expect(log).toEqual(['low leaves', 'high again leaves', 'open leaves', 'last leaves'])
  })

  test('waits between two shown departures, and judges those that are not shown too', () => {
    const { board, log } = boardWithLog(2 * HOUR_MS)
    const hidden = departure('hidden', 1.9)
    board.add(departure('first', 0))
    board.predict('first', 0.1)
    board.add(hidden)
    board.predict('hidden', 0.9)
    board.add(landing(hidden, 3))
    board.add(departure('next', 2))
    board.predict('next', 0.9)
    expect(log).toEqual(['first leaves', 'next leaves'])
    expect(board.verdicts).toHaveLength(1)
  })
})

describe('the area under the ROC curve', () => {
  test('is the share of pairs in the right order, a tie counting half', () => {
    const late = [0.9, 0.5, 0.1].map((said) => ({ said, wasLate: true }))
    const onTime = [0.5, 0.2].map((said) => ({ said, wasLate: false }))
    expect(aucOf([...late, ...onTime])).toBe(3.5 / 6)
  })

  test('is not known when all were late', () => {
    expect(aucOf([{ said: 0.9, wasLate: true }])).toBeNaN()
  })
})
