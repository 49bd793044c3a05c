import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../kernel/errors.ts'
import { OnnxSession } from './onnx-session.ts'
import { sortedBy } from './row-order.ts'
import { SessionRunner } from './runner.ts'
import type { ThreadData, ThreadReply, ThreadRequest } from './thread-runner.ts'

// Entry of a scoring thread. It has its own session and makes one run at a time. It stops by
// closing its port, so that the thread runs out of work and exits with 0: terminating it from
// outside during a run aborts the whole process.

const port = parentPort
if (port === null) throw new Error('this file is the entry of a worker thread')
const { bytes, reading, sortBy } = workerData as ThreadData
const runner = sortedBy(sortBy, new SessionRunner(await OnnxSession.load(bytes), reading))

async function score(request: ThreadRequest & { type: 'run' }): Promise<ThreadReply> {
  const { buffer, length, count } = request
  try {
    const scores = await runner.run(new Float32Array(buffer, 0, length), count)
    return { buffer, scores }
  } catch (error) {
    return { buffer, error: messageOf(error) }
  }
}

async function answer(request: ThreadRequest): Promise<void> {
  if (request.type === 'close') {
    await runner.close()
    port?.close()
    return
  }
  const reply = await score(request)
  const scores = 'scores' in reply ? reply.scores.map((s) => s.buffer as ArrayBuffer) : []
  port?.postMessage(reply, [reply.buffer, ...scores])
}

port.on('message', (request: ThreadRequest) => void answer(request))
port.postMessage('ready')
