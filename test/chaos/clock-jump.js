// Loaded into a worker first: at SIGUSR2 the wall clock jumps an hour ahead, at the next one back,
// at the next an hour behind, and so on. What measures durations stays as it is. It tells on stderr
// when the wrong time is first read.
import { isMainThread } from 'node:worker_threads'

const HOUR_MS = 3_600_000

if (isMainThread) {
  const now = Date.now
  let nextMs = HOUR_MS
  let offMs = 0
  let isRead = false
  const read = () => {
    if (offMs !== 0 && !isRead) {
      isRead = true
      process.stderr.write(`the clock was read ${offMs / HOUR_MS} h off\n`)
    }
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
    isRead = false
    if (offMs === 0) {
      offMs = nextMs
      nextMs = -nextMs
    } else {
      offMs = 0
    }
  })
}
