import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

// Asks a server for its health, once at least, until it is told to stop, in a thread of its own:
// whoever sends the requests beside it delays no probe. Says at last what was wrong with answers.

const EVERY_MS = 100

/** What is wrong with an answer, in words; `null`: nothing. */
async function faultOfProbe() {
  try {
    const signal = AbortSignal.timeout(workerData.withinMs)
    const asked = get(`${workerData.url}/health`, { agent: false, signal })
    const [answer] = await once(asked, 'response')
    const body = (await answer.toArray()).join('')
    return answer.statusCode === 200 ? null : `${answer.statusCode} ${body}`
  } catch (error) {
    return error.message
  }
}

const stopped = new AbortController()
parentPort.once('message', () => stopped.abort())
const faults = []
do {
  const fault = await faultOfProbe()
  if (fault !== null) faults.push(fault)
  await sleep(EVERY_MS)
} while (!stopped.signal.aborted)
parentPort.postMessage(faults)
