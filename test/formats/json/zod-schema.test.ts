import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'
import { plainOf } from '../../../src/formats/json/zod-schema.ts'

/** Why a field with this schema is not scanned; `null`: it is. */
function whyNot(field: z.core.$ZodType): string | null {
  const plain = plainOf(z.object({ f: field }))
  return plain.kind === 'opaque' ? plain.why : null
}

describe('a schema is scanned when all it does is let values through', () => {
  test.each<[string, z.core.$ZodType]>([
    ['a text', z.string()],
    ['a text with bounds', z.string().min(1).max(5).nonempty()],
    ['a text of one length', z.string().length(3)],
    ['a number', z.number()],
    ['a number with bounds', z.number().min(1).lt(7).positive().nonnegative().finite()],
    ['an integer', z.int()],
    ['an integer, the old way', z.number().int().safe()],
    ['an integer with bounds', z.int().positive().max(9)],
    ['an integer of 32 bits', z.int32()],
    ['an unsigned integer', z.uint32()],
    ['a multiple of an integer', z.number().multipleOf(5)],
    ['a boolean', z.boolean()],
    ['a literal', z.literal('a')],
    ['one of several literals', z.literal(['a', 1, true, null])],
    ['an enum', z.enum(['a', 'b'])],
    ['an object', z.object({ a: z.string() })],
    ['an object, partly', z.object({ a: z.string(), b: z.int() }).partial().pick({ a: true })],
    ['an object with more', z.object({ a: z.string() }).extend({ b: z.int() })],
    ['what may be null or absent', z.string().nullish()],
    ['what may be absent', z.exactOptional(z.string())],
    ['what is frozen', z.object({ a: z.string() }).readonly()],
    ['what has a brand', z.string().brand<'id'>()],
    ['what is described', z.string().describe('an id').meta({ title: 'id' })],
    ['what has words of its own', z.string({ error: () => 'no' }).min(1, { error: 'short' })],
    ['what ends at its first fault', z.string().min(1, { abort: true })],
    ['a part of zod/mini', mini.object({ a: mini.string().check(mini.minLength(1)) })],
    ['one of several objects', z.discriminatedUnion('k', [option('a'), option('b')])],
    ['what has the type that it is coerced to', z.coerce.number()],
    ['coerced text', z.coerce.string().min(2)],
    ['a coerced boolean', z.coerce.boolean()],
    ['a time', z.iso.datetime()],
    ['a time with an offset', z.iso.datetime({ offset: true, local: true }).optional()],
    ['a time, the old way', z.string().min(3).datetime({ offset: true })],
  ])('%s', (_, field) => {
    expect(whyNot(field)).toBeNull()
  })
})

describe('a schema that may do more is left to its library', () => {
  test.each<[string, z.core.$ZodType, string]>([
    ['refine', z.string().refine((text) => text !== 'x'), 'custom'],
    ['refine of a number', z.number().refine((x) => x !== 7), 'custom'],
    ['refine of a boolean', z.boolean().refine((x) => x), 'checks of boolean'],
    ['refine of an optional', z.string().optional().refine(Boolean), 'checks of optional'],
    ['refine of an object', z.object({ a: z.int() }).refine(() => false), 'checks of object'],
    ['superRefine', z.string().superRefine(() => undefined), 'custom'],
    ['check', z.string().check(() => undefined), 'custom'],
    ['a check of the library', z.string().check(z.minLength(1), z.trim()), 'overwrite'],
    ['async refine', z.string().refine(async () => true), 'custom'],
    ['transform', z.string().transform((text) => text.length), 'pipe'],
    ['pipe', z.string().pipe(z.string()), 'pipe'],
    ['stringbool', z.stringbool(), 'pipe'],
    ['preprocess', z.preprocess(String, z.string()), 'pipe'],
    ['default', z.string().default('a'), 'default'],
    ['prefault', z.string().prefault('a'), 'prefault'],
    ['catch', z.string().catch('a'), 'catch'],
    ['trim', z.string().trim(), 'overwrite'],
    ['toLowerCase', z.string().toLowerCase(), 'overwrite'],
    ['normalize', z.string().normalize(), 'overwrite'],
    ['overwrite', z.number().overwrite((x) => x + 1), 'overwrite'],
    ['a condition', z.string().min(2, { when: () => false } as never), 'when'],
    ['a pattern', z.string().regex(/a/), 'CheckRegex'],
    ['a prefix', z.string().startsWith('a'), 'prefix'],
    ['a format', z.email(), 'ZodEmail'],
    ['a time of its own precision', z.iso.datetime({ precision: 3 }), 'format datetime'],
    ['a time of its own pattern', z.iso.datetime({ pattern: /^1/ } as never), 'pattern'],
    ['a date', z.iso.date(), 'ISODate'],
    ['a date object', z.coerce.date(), 'date'],
    ['a format, the old way', z.string().email(), 'ZodEmail'],
    ['a fraction', z.number().multipleOf(0.01), 'multiple_of a fraction'],
    ['a float32', z.float32(), 'format float32'],
    ['a strict object', z.strictObject({ a: z.string() }), 'catchall'],
    ['a loose object', z.looseObject({ a: z.string() }), 'catchall'],
    ['a catchall', z.object({}).catchall(z.string()), 'catchall'],
    ['a union', z.union([z.string(), z.number()]), 'a union without a discriminator'],
    ['xor', z.xor([z.string(), z.number()]), 'Xor'],
    ['a union that falls back', falling(), 'unionFallback'],
    ['a union with a refined option', refinedOption(), 'checks of object'],
    ['an enum of numbers', z.enum({ A: 1, B: 2 }), 'an enum of numbers'],
    [
      'a literal that is undefined',
      z.literal([undefined, 'a']),
      'a literal that JSON does not have',
    ],
    ['a literal bigint', z.literal(5n), 'a literal that JSON does not have'],
    ['anything', z.any(), 'any'],
    ['an array', z.array(z.string()), 'array'],
    ['a record', z.record(z.string(), z.int()), 'record'],
    ['lazy', z.lazy(() => z.string()), 'lazy'],
    ['nonoptional', z.string().optional().nonoptional(), 'nonoptional'],
    ['a name that all objects have', z.object({ toString: z.string() }), 'a field named toString'],
    ['a name with a quote', z.object({ 'a"b': z.string() }), 'a field whose name JSON escapes'],
    ['half a surrogate', z.object({ '\ud800': z.string() }), 'a field whose name JSON escapes'],
    ['a class of its own', new Shouting({ type: 'string' }), 'Shouting'],
  ])('%s', (_, field, why) => {
    expect(whyNot(field)).toContain(why)
  })

  test('an object that holds itself', () => {
    const Node = z.object({
      get next() {
        return Node.nullable()
      },
    })
    expect(plainOf(Node)).toEqual({ kind: 'opaque', why: 'next: it contains itself' })
  })

  test('a getter that throws', () => {
    const broken = z.object({
      get a(): z.ZodString {
        throw new Error('not yet')
      },
    })
    expect(plainOf(broken)).toEqual({ kind: 'opaque', why: 'its definition cannot be read' })
  })

  test.each(['valibot', 'arktype', 'zod'])('a schema of %s that is no zod 4', (vendor) => {
    const schema: StandardSchemaV1 = {
      '~standard': { vendor, version: 1, validate: (value) => ({ value }) },
    }
    expect(plainOf(schema).kind).toBe('opaque')
  })

  test('a field that may be absent alone, so that records without it are scanned', () => {
    const plain = plainOf(z.object({ id: z.string(), mail: z.email().optional() }))
    expect(plain).toMatchObject({
      kind: 'object',
      fields: [{ name: 'id' }, { name: 'mail', isOptional: true, value: { kind: 'opaque' } }],
    })
  })
})

function option(k: string) {
  return z.object({ k: z.literal(k), n: z.int() })
}

function refinedOption() {
  return z.discriminatedUnion('k', [option('a'), option('b').refine(() => false)])
}

function falling() {
  return z.discriminatedUnion('k', [option('a'), option('b')], { unionFallback: true })
}

/** A type that an author can build upon the library's core. */
const Shouting = z.core.$constructor<z.core.$ZodString>('Shouting', (inst, def) => {
  z.core.$ZodString.init(inst, def)
  const { _zod: inside } = inst
  inside.parse = (payload) => {
    payload.value = String(payload.value).toUpperCase()
    return payload
  }
})
