import * as fc from 'fast-check'

const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'0001234567899'.split('')), minLength, maxLength })
const whole = digits(1, 17).map((text) => text.replace(/^0+(?=\d)/, ''))
const fraction = fc.oneof(
  fc.constant(''),
  digits(1, 17).map((text) => `.${text}`),
)
const exponent = fc.oneof(
  { weight: 5, arbitrary: fc.constant('') },
  fc.constantFrom('e', 'E', 'e+', 'e-').chain((e) => digits(1, 2).map((text) => `${e}${text}`)),
)

/** A number in JSON, of every way to write one. */
export const numberToken = fc
  .tuple(fc.constantFrom('', '-'), whole, fraction, exponent)
  .map((parts) => parts.join(''))
