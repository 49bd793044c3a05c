// Loaded into a worker first: at SIGUSR2 the wall clock jumps an hour ahead, at the next one back, at the next an hour behind, and
// so on. What measures durations stays as it is. Back again, it tells on stderr how often the wrong time was read.
import { isMainThread } from 'node:worker_threads'

const HOUR_MS = 3_600_000

if (isMainThread) {
  const now = Date.now
  let nextMs = HOUR_MS
  let offMs = 0
  let reads = 0
  const read = () => {
    if (offMs !== 0) reads++
    return now() + offMs
  }
  globalThis.Date = class extends Date {
    constructor(...of) {
      if (of.length === 0) super(read())
      else super(...of)
    }

    static now() {
      return read()
    }
  }
  process.on('SIGUSR2', () => {
    if (offMs === 0) {
      reads = 0
      offMs = nextMs
      nextMs = -nextMs
      return
    }
    process.stderr.write(`the clock was ${offMs / HOUR_MS} h off, and was read ${reads} times\n`)
    offMs = 0
  })
}
