import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResponseFramer } from '../../src/connect/kafka/client/connections.ts'

/** ResponseFramer as they come over the wire, one after the other. */
function wireOf(answers: readonly Buffer[]): Buffer {
  return Buffer.concat(
    answers.flatMap((answer) => {
      const length = Buffer.alloc(4)
      length.writeInt32BE(answer.length)
      return [length, answer]
    }),
  )
}

/** Answers read from a stream in pieces; each piece is written over once it was taken. */
function answersOf(pieces: readonly Buffer[]): string[] {
  const answers = new ResponseFramer()
  const whole: Buffer[] = []
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    answers.add(bytes, (answer) => whole.push(answer))
    bytes.fill(0xee)
  }
  return whole.map((answer) => answer.toString('hex'))
}

test('however a stream is cut, the answers are the same', () => {
  const answer = fc.uint8Array({ minLength: 4, maxLength: 60 }).map((bytes) => Buffer.from(bytes))
  const cuts = fc.array(fc.nat(300), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 8 }), cuts, (sent, at) => {
      const wire = wireOf(sent)
      const ends = [...new Set([...at, wire.length])].filter((end) => end <= wire.length)
      ends.sort((a, b) => a - b)
      const pieces = ends.map((end, i) => wire.subarray(ends[i - 1] ?? 0, end))
      expect(answersOf(pieces)).toEqual(sent.map((bytes) => bytes.toString('hex')))
    }),
  )
})

test('a length that no answer has is refused', () => {
  const negative = Buffer.from([0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 1])
  expect(() => answersOf([negative])).toThrow('no answer has -16 bytes')
  expect(() => answersOf([Buffer.from([0, 0, 0, 3, 1, 2, 3])])).toThrow('no answer has 3 bytes')
})

test('what announces a gigabyte does not get it before it comes', () => {
  const before = process.memoryUsage().arrayBuffers
  const answers = new ResponseFramer()
  answers.add(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), () => {})
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 2 ** 20)
})

test('an answer longer than what is given at once comes whole', () => {
  const sent = Buffer.alloc(65 * 2 ** 20, 'tidemark')
  const whole: Buffer[] = []
  const answers = new ResponseFramer()
  const wire = wireOf([sent])
  for (let at = 0; at < wire.length; at += 2 ** 20) {
    answers.add(wire.subarray(at, at + 2 ** 20), (answer) => whole.push(answer))
  }
  expect(whole.map((answer) => answer.equals(sent))).toEqual([true])
})

test('half an answer is forgotten when the connection begins again', () => {
  const answers = new ResponseFramer()
  const whole: string[] = []
  const take = (bytes: Buffer) => answers.add(bytes, (answer) => whole.push(answer.toString()))
  take(wireOf([Buffer.from('the first of them')]).subarray(0, 9))
  answers.clear()
  take(wireOf([Buffer.from('the second')]))
  expect(whole).toEqual(['the second'])
})
