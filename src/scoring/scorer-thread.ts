import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../kernel/errors.ts'
import { OnnxSession } from './onnx-session.ts'
import type { ThreadData, ThreadReady, ThreadReply, ThreadRequest } from './thread-runner.ts'
import { measureCost } from './warm-up.ts'

// Entry of a scoring thread, which does one thing at a time. It closes its port, runs out of work
// and exits with 0: termination from outside during a run would abort the whole process.

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')
const { bytes, reading, weights, isBackground = false } = workerData as ThreadData
if (isBackground) yieldToOthers()

/** `null`: ONNX Runtime refuses the model, and the thread ends. */
async function load(): Promise<OnnxSession | null> {
  try {
    const session = await OnnxSession.load(bytes, reading, weights)
    const { signature, placement } = session
    port?.postMessage({ signature, placement } satisfies ThreadReady)
    return session
  } catch (error) {
    port?.postMessage({ refused: messageOf(error) } satisfies ThreadReady)
    return null
  }
}

async function answer(session: OnnxSession, request: ThreadRequest): Promise<void> {
  if (request.type === 'run') {
    const { buffer, length, count } = request
    const reply = await answered(() => session.run(new Float32Array(buffer, 0, length), count))
    const scores = 'error' in reply ? [] : reply.is.map((s) => s.buffer as ArrayBuffer)
    port?.postMessage({ ...reply, buffer }, [buffer, ...scores])
  } else if (request.type === 'measure') {
    port?.postMessage(await answered(() => measureCost(session, request.sample)))
  } else {
    await session.close()
    port?.close()
  }
}

async function answered<T>(work: () => Promise<T>): Promise<ThreadReply<T>> {
  try {
    return { is: await work() }
  } catch (error) {
    return { error: messageOf(error) }
  }
}

const loaded = await load()
if (loaded !== null) {
  port.on('message', (request: ThreadRequest) => void answer(loaded, request))
}

/** Only on Linux does a thread have a priority of its own. */
function yieldToOthers(): void {
  try {
    // `4711/task/4719`: setpriority(2) takes the number of a thread. If the process has another
    // number there, /proc counts differently, as a host's does.
    const [pid, , thread] = readlinkSync('/proc/thread-self').split('/')
    if (Number(pid) !== process.pid) return
    setPriority(Number(thread), constants.priority.PRIORITY_LOW)
  } catch {}
}
