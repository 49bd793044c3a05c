import { expect, test } from 'vitest'
import { MissingSchemas } from '../../../src/formats/registry/schemas.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'

const ID = 57
const WHY = new TidemarkError('SCHEMA_UNKNOWN', 'it has no schema 57')

/** Says at these seconds that there is no such schema; `null`: some other answer. */
function after(...answers: readonly (number | null)[]): MissingSchemas {
  const missing = new MissingSchemas()
  for (const s of answers) {
    if (s === null) missing.unanswered(ID)
    else missing.denied(ID, s * 1_000, WHY)
  }
  return missing
}

test('an id is given up once the registry has said for 10 s that it does not exist', () => {
  expect(after(0, 9.9).isGivenUp(ID, 9_900)).toBe(false)
  expect(after(0, 9.9).whyGivenUp(ID)).toBeNull()
  expect(after(0, 10).isGivenUp(ID, 10_000)).toBe(true)
})

test('any other answer begins the 10 s anew', () => {
  expect(after(0, 5, null, 9, 18.9).isGivenUp(ID, 18_900)).toBe(false)
  expect(after(0, 5, null, 9, 19).isGivenUp(ID, 19_000)).toBe(true)
})

test('it is asked for again after 60 s, and one more answer is then enough', () => {
  const missing = after(0, 10)
  expect(missing.isGivenUp(ID, 69_999)).toBe(true)
  expect(missing.isGivenUp(ID, 70_000)).toBe(false)
  missing.denied(ID, 80_000, WHY)
  expect(missing.isGivenUp(ID, 139_999)).toBe(true)
})

test('answers that are more than two minutes apart are not taken together', () => {
  const missing = after(0, 10)
  missing.denied(ID, 130_001, WHY)
  expect(missing.isGivenUp(ID, 130_001)).toBe(false)
  // Records that were prepared before are still decoded as they were decided.
  expect(missing.whyGivenUp(ID)).toBe(WHY)
})

test('ids do not affect each other, and other answers about an id that was not missed say nothing', () => {
  const missing = after(0, 10)
  missing.unanswered(58)
  expect(missing.isGivenUp(58, 10_000)).toBe(false)
  expect(missing.whyGivenUp(58)).toBeNull()
})
