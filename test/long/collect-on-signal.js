import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

// Preloaded by a process whose memory is looked at, and by its threads: after SIGUSR2 none of them
// has garbage any more.

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const collecting = new BroadcastChannel('collect')
collecting.onmessage = () => collect()
collecting.unref()
if (isMainThread) {
  process.on('SIGUSR2', () => {
    collect()
    collecting.postMessage('now')
  })
}
