import pc from 'picocolors'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLog, LogStream } from '../../src/observe/log.ts'
import { logged } from './observed.ts'

const colors = pc.createColors(false)

/** A file that takes so many bytes more; past them writing fails with a code. */
class Disk {
  room = Number.POSITIVE_INFINITY
  code = 'ENOSPC'
  text = ''

  readonly put = (bytes: Buffer): number => {
    if (this.room <= 0) throw Object.assign(new Error('no'), { code: this.code })
    const taken = bytes.subarray(0, this.room)
    this.text += taken
    this.room -= taken.length
    return taken.length
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }
}

let disk: Disk
let stream: LogStream

beforeEach(() => {
  vi.useFakeTimers()
  disk = new Disk()
  stream = new LogStream(disk.put)
})
afterEach(() => void vi.useRealTimers())

describe('a log line', () => {
  test('is written before the call returns', () => {
    stream.write('a\n')
    expect(disk.text).toBe('a\n')
  })

  test.each(['ENOSPC', 'EPIPE', 'EIO'])(
    'that cannot be written (%s) is dropped and counted',
    (code) => {
      disk.code = code
      disk.room = 0
      for (const line of ['a\n', 'b\n', 'c\n']) stream.write(line)
      expect(stream.dropped).toBe(3)
      disk.room = Number.POSITIVE_INFINITY
      stream.write('d\n')
      stream.write('e\n')
      expect(disk.lines).toEqual([`3 lines were dropped: ${code}`, 'd', 'e'])
      expect(stream.dropped).toBe(3)
    },
  )

  test('that was cut off does not run into the next one', () => {
    disk.room = 4
    stream.write('{"half":1}\n')
    disk.room = Number.POSITIVE_INFINITY
    stream.write('{"whole":1}\n')
    expect(disk.lines).toEqual(['{"ha', '1 lines were dropped: ENOSPC', '{"whole":1}'])
  })

  test('waits for a slow reader, and comes in its turn', () => {
    disk.code = 'EAGAIN'
    disk.room = 3
    for (const line of ['a\n', 'bb\n', 'c\n']) stream.write(line)
    disk.room = Number.POSITIVE_INFINITY
    expect(disk.text).toBe('a\nb')
    vi.advanceTimersByTime(100)
    expect(disk.lines).toEqual(['a', 'bb', 'c'])
    expect(stream.dropped).toBe(0)
  })

  test('past 1 MiB that waits for a slow reader is dropped and counted', () => {
    disk.code = 'EAGAIN'
    disk.room = 0
    const line = `${'x'.repeat(1_023)}\n`
    for (let i = 0; i < 1_024 + 7; i++) stream.write(line)
    expect(stream.dropped).toBe(7)
    disk.room = Number.POSITIVE_INFINITY
    vi.advanceTimersByTime(100)
    stream.write('after\n')
    expect(disk.lines.slice(1_023)).toEqual([
      'x'.repeat(1_023),
      '7 lines were dropped: its reader is too slow',
      'after',
    ])
  })
})

test.each([
  [
    'json',
    /^\{"level":"warn","time":"[^"]+","service":"tidemark","count":2,"reason":"ENOSPC","msg":"log lines were dropped"\}$/,
  ],
  ['text', /^\d\d:\d\d:\d\d warn {2}log lines were dropped {2}count=2 {2}reason=ENOSPC$/],
] as const)(
  'a log in %s tells of dropped lines in its own form, whatever its level',
  (format, line) => {
    const log = createLog({ format, colors, stream })
    log.level = 'error'
    disk.room = 0
    log.error('a')
    log.error('b')
    disk.room = Number.POSITIVE_INFINITY
    log.error('c')
    expect(disk.lines).toEqual([expect.stringMatching(line), expect.stringContaining('c')])
  },
)

describe('the log', () => {
  test('writes JSON with an ISO time, the level by name and the service', () => {
    const { log, told } = logged()
    log.warn({ topic: 'payments' }, 'the topic does not bound timestamps')
    expect(told()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'tidemark',
        topic: 'payments',
        msg: 'the topic does not bound timestamps',
      },
    ])
  })

  test('writes the number of its worker where there are several', () => {
    const lines: string[] = []
    const log = createLog({
      format: 'text',
      colors,
      worker: 2,
      stream: { write: (l) => lines.push(l) },
    })
    log.info({ partitions: 3 }, 'status')
    expect(lines[0]).toMatch(/ info {2}status {2}worker=2 {2}partitions=3\n$/)
  })

  test('writes plain lines for people', () => {
    const { log, lines } = logged('text')
    log.info({ partition: 3, reason: 'a b' }, 'partition assigned')
    expect(lines).toEqual([
      expect.stringMatching(
        /^\d\d:\d\d:\d\d info {2}partition assigned {2}partition=3 {2}reason=a b\n$/,
      ),
    ])
  })
})
