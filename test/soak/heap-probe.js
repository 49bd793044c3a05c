// Loaded into a worker first: at SIGUSR2 it tells what is left of its heap after collections, `heap: BYTES`, on stderr.
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** What is in flight at one moment is not at another: the least of so many counts. */
const LOOKS = 8
const LOOK_EVERY_MS = 400

if (isMainThread) {
  // Optimised code is on the heap too, and functions that run once a rebalance grow hot for hours: it would hide what is kept.
  for (const flag of ['--no-opt', '--no-maglev']) setFlagsFromString(flag)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const look = async () => {
    let least = Number.POSITIVE_INFINITY
    for (let n = 0; n < LOOKS; n++) {
      // What the first one finalises, the second one frees.
      collect()
      collect()
      least = Math.min(least, process.memoryUsage().heapUsed)
      await sleep(LOOK_EVERY_MS)
    }
    process.stderr.write(`heap: ${least}\n`)
  }
  process.on('SIGUSR2', () => void look())
}
