import avro, { type Schema } from 'avsc'
import { expect, inject, test } from 'vitest'
import { avroDecoder } from '../../src/formats/avro/avro-decoder.ts'
import type { PayloadDecoder } from '../../src/formats/payload.ts'
import { protobufDecoder } from '../../src/formats/protobuf/protobuf-decoder.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { seeded } from '../../src/kernel/random.ts'
import { registered } from '../formats/registry/registered.ts'

// Values that nobody wrote, of schemas that nobody would: each is decoded or is a fault, and soon.

const SCHEMAS = 400
const VALUES = 50
/** The longest that a value may hold the event loop, ms. */
const LONGEST_MS = 100
/** The length of one value of each schema, bytes. */
const LARGE = 1_000_000
/** The most memory that decoding a value may take, bytes. */
const MOST_MADE = 64_000_000

type Random = () => number
const upTo = (random: Random, count: number) => Math.floor(random() * count)

function avroSchema(random: Random, names: string[], depth = 4): unknown {
  const inner = () => avroSchema(random, names, depth - 1)
  const name = (kind: string) => {
    names.push(`${kind}${names.length}`)
    return names.at(-1) as string
  }
  const plain = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']
  const kind = upTo(random, depth === 0 ? 9 : 14)
  if (kind < 8) return plain[kind]
  if (kind === 8) return { type: 'enum', name: name('E'), symbols: ['A', 'B', 'C'] }
  if (kind === 9) return { type: 'array', items: inner() }
  if (kind === 10) return { type: 'map', values: inner() }
  if (kind === 11) return ['null', 'double', { type: 'array', items: inner() }]
  const fields = Array.from({ length: upTo(random, 12) }, (_, i) => ({
    name: `f${i}`,
    type: inner(),
  }))
  return { type: 'record', name: name('R'), fields }
}

function protobufSchema(random: Random): string {
  const count = 1 + upTo(random, 5)
  const scalars = ['double', 'int64', 'sint32', 'bool', 'string', 'bytes', 'fixed32', 'uint64']
  const types = [...scalars, ...Array.from({ length: count }, (_, m) => `M${m}`)]
  const type = () => types[upTo(random, types.length)] as string
  const field = (i: number) => {
    const of = upTo(random, 4)
    const kind = of === 0 ? `map<string, ${type()}>` : `${of === 1 ? 'repeated ' : ''}${type()}`
    return `${kind} f${i} = ${i + 1};`
  }
  const messages = Array.from({ length: count }, (_, m) => {
    const fields = Array.from({ length: upTo(random, 12) }, (_field, i) => field(i))
    return `message M${m} { ${fields.join(' ')} }`
  })
  return `syntax = "proto3"; ${messages.join(' ')}`
}

/** The value with some bytes changed, cut off or repeated; often as it was. */
function mutated(value: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(value)
  for (let n = upTo(random, 4); n > 0 && bytes.length > 0; n--) {
    bytes[upTo(random, bytes.length)] = upTo(random, 256)
  }
  if (random() < 0.1) return bytes.subarray(0, upTo(random, bytes.length + 1))
  return random() < 0.1 ? Buffer.concat([bytes, bytes]) : bytes
}

function anyBytes(random: Random): Buffer {
  // Small numbers are tags and lengths.
  const bytes = Array.from({ length: upTo(random, 400) }, () =>
    upTo(random, random() < 0.7 ? 32 : 256),
  )
  return Buffer.from([0, ...bytes])
}

/** A large value that begins with another one, over and over. */
function repeated(value: Buffer): Buffer {
  return value.length === 0 ? value : Buffer.alloc(LARGE, value)
}

/** The longest time and the most memory that decoding a value took. */
class Cost {
  mostMs = 0
  mostBytes = 0

  of({ decode }: PayloadDecoder, value: Buffer): void {
    let leastMs = Number.POSITIVE_INFINITY
    // A pause of the process does not happen three times, and takes no time of the processor.
    for (let i = 0; i < 3 && leastMs > LONGEST_MS; i++) {
      const [startMs, cpu, before] = [performance.now(), process.cpuUsage(), process.memoryUsage()]
      try {
        decode(value)
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.action !== 'dead-letter') throw error
      }
      const { user, system } = process.cpuUsage(cpu)
      leastMs = Math.min(leastMs, performance.now() - startMs, (user + system) / 1_000)
      const { heapUsed, external } = process.memoryUsage()
      const bytes = heapUsed - before.heapUsed + external - before.external
      this.mostBytes = Math.max(this.mostBytes, bytes)
    }
    this.mostMs = Math.max(this.mostMs, leastMs)
  }
}

test('Avro values are decoded or are faults, within 100 ms and 64 MB', { timeout: 600_000 }, () => {
  const random = seeded(inject('seed'))
  const cost = new Cost()
  for (let s = 0; s < SCHEMAS; s++) {
    const schema = avroSchema(random, [])
    const decoder = avroDecoder(registered('avro', JSON.stringify(schema)), null)
    const type = avro.Type.forSchema(schema as Schema)
    for (let v = 0; v < VALUES; v++) {
      const value = random() < 0.3 ? anyBytes(random) : type.toBuffer(type.random())
      cost.of(decoder, mutated(value, random))
    }
    cost.of(decoder, repeated(mutated(type.toBuffer(type.random()), random)))
  }
  expect(cost.mostMs).toBeLessThan(LONGEST_MS)
  expect(cost.mostBytes).toBeLessThan(MOST_MADE)
})

test('Protobuf values are decoded or are faults, within 100 ms and 64 MB', {
  timeout: 600_000,
}, () => {
  const random = seeded(inject('seed'))
  const cost = new Cost()
  for (let s = 0; s < SCHEMAS; s++) {
    const decoder = protobufDecoder(registered('protobuf', protobufSchema(random)))
    for (let v = 0; v < VALUES; v++) {
      cost.of(decoder, mutated(anyBytes(random), random))
    }
    cost.of(decoder, Buffer.concat([Buffer.of(0), repeated(anyBytes(random).subarray(1))]))
  }
  expect(cost.mostMs).toBeLessThan(LONGEST_MS)
  expect(cost.mostBytes).toBeLessThan(MOST_MADE)
})
