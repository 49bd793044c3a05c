import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

// Asks a server for its health until it is told to stop, in a thread of its own: whoever sends
// the requests beside it delays no probe. Says at last how it was answered.

const EVERY_MS = 100

/** The status of an answer; 0: there is none. */
function probe() {
  return new Promise((resolve) => {
    const asked = get(`${workerData.url}/health`, { agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode))
    })
    asked.once('error', () => resolve(0))
  })
}

const stopped = new AbortController()
parentPort.once('message', () => stopped.abort())
const result = { probes: 0, unhealthy: 0, slowestProbeMs: 0 }
while (!stopped.signal.aborted) {
  const sinceMs = performance.now()
  if ((await probe()) !== 200) result.unhealthy++
  result.probes++
  result.slowestProbeMs = Math.max(result.slowestProbeMs, performance.now() - sinceMs)
  await sleep(EVERY_MS)
}
parentPort.postMessage(result)
