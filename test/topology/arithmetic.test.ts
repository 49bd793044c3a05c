import { expect, test } from 'vitest'
import { arithmeticOf } from '../../src/topology/arithmetic.ts'

type Named = Readonly<Record<'x', number>>
const code = (of: (...args: never[]) => unknown) => arithmeticOf(of, (name) => `at.${name}`)

test('a function that only computes is printed with its numbers from elsewhere', () => {
  expect(code(({ x }: Named) => (x > Math.PI ? Math.max(x, -1) : NaN))).toEqual({
    code: '((at.x > Math.PI) ? Math.max(at.x, (-1)) : NaN)',
  })
})

/** Its own name hides the language's. */
function hidden(): (f: Named) => number {
  return function Math(f: Named): number {
    return (Math as unknown as typeof globalThis.Math).floor(f.x)
  }
}

test.each([
  ['is named Math', hidden(), { why: 'it calls a function that is not one of Math' }],
  [
    'has a parameter named Math',
    (Math: Named & { floor: (n: number) => number }) => Math.floor(Math.x),
    { why: 'it calls a function that is not one of Math' },
  ],
  // oxlint-disable-next-line no-shadow-restricted-names -- an author may
  ['returns a parameter named NaN', (NaN: Named) => NaN, { why: 'it uses `NaN`' }],
  // oxlint-disable-next-line no-shadow-restricted-names -- an author may
  ['has a feature as Infinity', ({ x: Infinity }: Named) => Infinity, { code: 'at.x' }],
])('a function that %s is read as JavaScript reads it', (_, of, reading) => {
  expect(code(of)).toEqual(reading)
})
