import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { LIMITS } from '../../../src/formats/json/parse-json.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { runs } from '../../support/runs.ts'
import { thrownIn } from '../../support/thrown.ts'
import { anything, decoded, jsonEvent, source } from './source.ts'

const amount = z.object({ amount: z.number() })
const key = Buffer.from('c-1')

describe('a record becomes an event', () => {
  test('as its schema gives it', () => {
    expect(decoded(amount, '{"amount":12.5,"channel":"web"}')).toEqual({ amount: 12.5 })
  })

  test('with any text, escapes and all', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (json) => {
        const text = JSON.stringify(json)
        fc.pre(!text.includes('"__proto__":'))
        expect(decoded(anything, text)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('of a megabyte, of 32 levels and with 256 fields, as is promised', () => {
    const list = `${'['.repeat(31)}"}]:,\\"{[{["${']'.repeat(31)}`
    const more = Array.from({ length: 254 }, (_, n) => `"x${n}":1`).join()
    const text = `{"a":${list},"b":1,${more}}`.padEnd(1_048_576)
    expect(decoded(anything, text)).toEqual(JSON.parse(text))
  })

  test('with a field named constructor', () => {
    expect(decoded(anything, '{"constructor":{"prototype":1}}')).toEqual({
      constructor: { prototype: 1 },
    })
  })
})

describe('a record that is no event is a dead letter', () => {
  test.each([
    ['a tombstone', 'TOMBSTONE', { key, value: null }],
    ['a tombstone without a key', 'TOMBSTONE', { key: null, value: null }],
    ['no key', 'NULL_KEY', { key: null, value: Buffer.from('{"amount":1}') }],
  ])('%s', (_, code, record) => {
    expect(thrownIn(() => jsonEvent(source(amount), record)).code).toBe(code)
  })

  test.each([
    ['no bytes', 'JSON_INVALID', ''],
    ['cut off', 'JSON_INVALID', '{"amount":1'],
    ['a text that does not end', 'JSON_INVALID', '{"amount":"\\'],
    ['text behind', 'JSON_INVALID', '{"amount":1} x'],
    ['NaN', 'JSON_INVALID', '{"amount":NaN}'],
    ['null', 'SCHEMA_INVALID', 'null'],
    ['an array', 'SCHEMA_INVALID', '[1,2]'],
    ['an infinite number', 'SCHEMA_INVALID', '{"amount":1e999}'],
    ['a number as text', 'SCHEMA_INVALID', '{"amount":"12.34"}'],
    ['a missing field', 'SCHEMA_INVALID', '{}'],
    ['__proto__', 'JSON_PROTO', '{"amount":1,"__proto__":{"admin":true}}'],
    ['__proto__ deep inside', 'JSON_PROTO', '{"amount":1,"a":[{"b":{"__proto__":1}}]}'],
    ['__proto__ escaped', 'JSON_PROTO', '{"amount":1,"\\u005f\\u005fproto__":{}}'],
    ['__proto__ after a byte order mark', 'JSON_PROTO', '\ufeff{"__proto__":{}}'],
    ['10,000 arrays', 'JSON_DEPTH', '['.repeat(10_000) + ']'.repeat(10_000)],
    ['33 levels', 'JSON_DEPTH', '{"a":'.repeat(33) + '1' + '}'.repeat(33)],
    ['257 fields', 'JSON_FIELDS', `[${Array(257).fill('{"a":1}').join()}]`],
  ])('%s', (_, code, value) => {
    const fault = thrownIn(() => decoded(amount, value))
    expect([fault.code, fault.action]).toEqual([code, 'dead-letter'])
  })

  test.each([
    ['a lone continuation byte', [0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a character cut off', [0xe2, 0x82]],
  ])('invalid UTF-8: %s', (_, bytes) => {
    const value = Buffer.concat([Buffer.from('"'), Buffer.from(bytes), Buffer.from('"')])
    const fault = thrownIn(() => jsonEvent(source(anything), { key, value }))
    expect(fault.code).toBe('NOT_UTF8')
  })

  test('one byte more than allowed, unread', () => {
    const value = Buffer.alloc(LIMITS.bytes + 1, 0xff)
    const fault = thrownIn(() => jsonEvent(source(anything), { key, value }))
    expect(fault.code).toBe('RECORD_TOO_LARGE')
    expect(fault.message).toBe('the value has 1048577 bytes, the maximum is 1048576')
  })

  test('20 MB, whose bytes are not looked at', () => {
    const value = Buffer.alloc(20_000_000)
    const unreadable = new Proxy(value, {
      get: (target, name) => {
        if (name === 'length') return target.length
        throw new Error(`read ${String(name)}`)
      },
    })
    const fault = thrownIn(() => jsonEvent(source(anything), { key, value: unreadable }))
    expect(fault.code).toBe('RECORD_TOO_LARGE')
  })

  test('whatever its bytes are', () => {
    const jsonCharacter = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'u', '1')
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: 'binary' }).map((s) => Buffer.from(s)),
      fc.string({ unit: jsonCharacter }).map((s) => Buffer.from(s)),
      fc.json().map((s) => Buffer.from(s)),
    )
    const limit = fc.constantFrom('', '['.repeat(31), `{${'"a":1,'.repeat(255)}`)
    const fate = (value: Buffer) => {
      try {
        jsonEvent(source(amount), { key, value })
        return 'event'
      } catch (thrown) {
        return thrown instanceof TidemarkError ? thrown.action : thrown
      }
    }
    fc.assert(
      fc.property(limit, bytes, (before, value) => {
        const whole = Buffer.concat([Buffer.from(before), value])
        expect(['event', 'dead-letter']).toContain(fate(whole))
      }),
      { numRuns: runs(500) },
    )
  })
})

test('a message never repeats the payload', () => {
  const canary = 'canary-4417123456789'
  const payloads = [
    `{"amount":${canary}`,
    `{"amount":"${canary}"}`,
    `{"amount":1} ${canary}`,
    `{"amount":"${canary}",}`,
    `{"amount":NaN,"${canary}":1}`,
    `{"amount":1}{"${canary}":1}`,
    `\0\0\0\0\u0007${canary}`,
    `{"amount":1,"__proto__":"${canary}"}`,
    `["${canary}"]`,
    `"${canary}"`,
  ]
  for (const payload of payloads) {
    const fault = thrownIn(() => decoded(amount, payload))
    expect(JSON.stringify([fault.message, fault.hint, String(fault.cause)])).not.toContain('canary')
  }
})
