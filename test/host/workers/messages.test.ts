import pc from 'picocolors'
import { expect, test } from 'vitest'
import { describeFailure } from '../../../src/cli/print.ts'
import { faultData, faultOf } from '../../../src/host/workers/messages.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'

/** The error as it arrives in another process. */
const sent = (thrown: unknown) => faultOf(structuredClone(faultData(thrown)))

test('an error arrives with its code, place and hint, and with the stack of its cause', () => {
  const cause = new Error('inner')
  const details = { where: 'a.ts', hint: 'mend it', cause }
  const arrived = sent(new TidemarkError('TOPOLOGY_LOAD', 'cannot be loaded', details))
  expect(arrived).toBeInstanceOf(TidemarkError)
  expect(arrived).toMatchObject({
    code: 'TOPOLOGY_LOAD',
    message: 'cannot be loaded',
    where: 'a.ts',
    hint: 'mend it',
    cause: { stack: cause.stack },
  })
  expect(sent(new TidemarkError('FENCED', 'gone')).cause).toBe(undefined)
})

test('a bug arrives as one, with its stack', () => {
  const bug = new TypeError('x is not a function')
  const arrived = sent(bug)
  expect(arrived).not.toBeInstanceOf(TidemarkError)
  expect(arrived).toMatchObject({ message: bug.message, stack: bug.stack })
})

test('an error of the system arrives with its code and path, and is told as no bug', () => {
  const written = { code: 'ENOSPC', syscall: 'write', path: '/disk/part-00000.ndjson' }
  const full = Object.assign(new Error('ENOSPC: no space left on device'), written)
  const arrived = sent(full)
  expect(arrived).toMatchObject({ ...written, message: full.message, stack: full.stack })
  expect(describeFailure(arrived, false, pc.createColors(false))).toBe(
    '✗ ENOSPC  ENOSPC: no space left on device',
  )
})
