// Preloaded into a worker. Once a minute it prints the heap that remains after garbage collections
// to stderr: `heap: BYTES`.
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** The minimum of a minute counts, since objects in flight vary from moment to moment. */
const MINUTE_MS = 60_000
const LOOK_EVERY_MS = 5_000

// V8's code is on the heap too. Functions that run once a rebalance become hot only after hours, or
// are flushed and compiled again, which would hide a leak. So nothing is optimised, code is
// generated at a function's first call, and none is flushed. Baseline machine code stays enabled:
// an interpreted worker cannot keep up, and its backlog would be on the heap.
const CODE_ONCE = [
  '--no-opt',
  '--no-maglev',
  '--always-sparkplug',
  '--no-lazy-feedback-allocation',
  '--no-flush-bytecode',
]

if (isMainThread) {
  for (const flag of CODE_ONCE) setFlagsFromString(flag)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const tell = async (startMs) => {
    const endMs = startMs + MINUTE_MS
    let least = Number.POSITIVE_INFINITY
    while (performance.now() < endMs) {
      await sleep(LOOK_EVERY_MS, undefined, { ref: false })
      // Objects finalised by the first collection are freed by the second.
      collect()
      collect()
      least = Math.min(least, process.memoryUsage().heapUsed)
    }
    process.stderr.write(`heap: ${least}\n`)
    void tell(endMs)
  }
  void tell(performance.now())
}
