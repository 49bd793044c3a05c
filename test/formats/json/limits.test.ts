import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { passedLimit } from '../../../src/formats/json/tokens.ts'

const none = Number.POSITIVE_INFINITY

function depthOf(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 0
  return 1 + Math.max(0, ...Object.values(json).map(depthOf))
}

function fieldsOf(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 0
  const own = Array.isArray(json) ? 0 : Object.keys(json).length
  return Object.values(json).reduce<number>((sum, inner) => sum + fieldsOf(inner), own)
}

test('depth and fields are those of the parsed value', () => {
  const text = fc.string({ unit: fc.constantFrom('"', '\\', '{', ']', ':', ',', 'é', 'a') })
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      text,
      fc.integer(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(text, tie('value'), { maxKeys: 4 }),
    ),
  })).value
  fc.assert(
    fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent))
      const depth = depthOf(value)
      const fields = fieldsOf(value)
      expect(passedLimit(bytes, { bytes: none, depth, fields })).toBeNull()
      const shallower = { bytes: none, depth: depth - 1, fields }
      expect(passedLimit(bytes, shallower)).toBe(depth === 0 ? null : 'JSON_DEPTH')
      const narrower = { bytes: none, depth, fields: fields - 1 }
      expect(passedLimit(bytes, narrower)).toBe(fields === 0 ? null : 'JSON_FIELDS')
    }),
  )
})
