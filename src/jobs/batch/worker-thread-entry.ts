import { on } from 'node:events'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { PartitionLines } from '../../connect/files/partition-lines.ts'
import { WorkFolder } from '../../connect/files/work-folder.ts'
import { faultData } from '../../host/workers/messages.ts'
import { faultsOf } from '../../kernel/errors.ts'
import { BatchWorker } from './batch-worker.ts'
import { prepareJob } from './job.ts'
import type { ThreadAssignment, ThreadOrder, ThreadReport } from './worker-thread.ts'

const assignment = workerData as ThreadAssignment
const port = parentPort as MessagePort
const tell = (report: ThreadReport) => port.postMessage(report)
const orders = on(port, 'message')
const stopping = new AbortController()
port.on('message', (order: ThreadOrder) => order === 'stop' && stopping.abort())

async function* linesGiven(): AsyncGenerator<readonly PartitionLines[] | null> {
  for await (const [order] of orders as AsyncIterable<[ThreadOrder]>) {
    if (order === 'end') return
    yield order === 'stop' ? null : order
    tell('taken')
  }
}

try {
  const { job } = assignment
  const folder = new WorkFolder(job.options.output)
  const { prepared, rows } = await prepareJob(job)
  try {
    const context = { prepared, rows, folder, lines: linesGiven(), stop: stopping.signal }
    const worker = await BatchWorker.open({ ...assignment, ...context })
    tell({ isWhole: await worker.run() })
  } finally {
    await prepared.close()
  }
} catch (thrown) {
  tell({ faults: faultsOf(thrown).map(faultData) })
}
port.close()
