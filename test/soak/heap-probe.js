// Loaded into a worker first: tells once a minute what is left of its heap after collections,
// `heap: BYTES`, on stderr.
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** What is in flight at one moment is not at another: the least of a minute counts. */
const MINUTE_MS = 60_000
const LOOK_EVERY_MS = 5_000

// What V8 makes of functions is on the heap too, and those that run once a rebalance grow hot for
// hours, or are forgotten and made again: it would hide what is kept. So nothing is optimised, all
// is made at a function's first call, and none of it is dropped. Machine code without optimisation
// stays: a worker that is interpreted cannot keep up, and holds what waits.
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
      // What the first one finalises, the second one frees.
      collect()
      collect()
      least = Math.min(least, process.memoryUsage().heapUsed)
    }
    process.stderr.write(`heap: ${least}\n`)
    void tell(endMs)
  }
  void tell(performance.now())
}
