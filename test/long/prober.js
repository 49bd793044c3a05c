import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

// Asks a server for its health until it is told to stop, in a thread of its own: whoever sends
// the requests beside it delays no probe. Says at last how it was answered.

const EVERY_MS = 100

/** What is wrong with an answer, in words; `null`: nothing. */
async function faultOfProbe() {
  try {
    const asked = get(`${workerData.url}/health`, { agent: false })
    const [answer] = await once(asked, 'response')
    const body = (await answer.toArray()).join('')
    return answer.statusCode === 200 ? null : `${answer.statusCode} ${body}`
  } catch (error) {
    return error.message
  }
}

const stopped = new AbortController()
parentPort.once('message', () => stopped.abort())
const result = { probes: 0, unhealthy: [], slowestProbeMs: 0 }
while (!stopped.signal.aborted) {
  const sinceMs = performance.now()
  const fault = await faultOfProbe()
  if (fault !== null) result.unhealthy.push(fault)
  result.probes++
  result.slowestProbeMs = Math.max(result.slowestProbeMs, performance.now() - sinceMs)
  await sleep(EVERY_MS)
}
parentPort.postMessage(result)
