import { parentPort, workerData } from 'node:worker_threads'
import { Refused } from '../../kernel/errors.ts'
import { WorkFolder } from '../../records/files/work-folder.ts'
import { faultData } from '../workers/messages.ts'
import { BatchWorker, openBatchInput } from './batch-worker.ts'
import { prepareJob } from './job.ts'
import type { ThreadAssignment, ThreadReport } from './worker-thread.ts'

const TOLD_EVERY_MS = 200

const assignment = workerData as ThreadAssignment
const tell = (report: ThreadReport) => parentPort?.postMessage(report)
const stopped = new Promise<void>((resolve) => parentPort?.once('message', () => resolve()))
try {
  const { job } = assignment
  const folder = new WorkFolder(job.flags.output)
  const { prepared, rows } = await prepareJob(job)
  const input = await openBatchInput(job, prepared, folder)
  const own = { prepared, rows, folder, input, stopped }
  const worker = await BatchWorker.open({ ...assignment, ...own })
  const telling = setInterval(() => tell({ progress: worker.progress }), TOLD_EVERY_MS)
  const isWhole = await worker.run().finally(() => clearInterval(telling))
  tell({ progress: worker.progress })
  tell({ isWhole })
  input.close()
  await prepared.close()
} catch (thrown) {
  tell({ faults: (thrown instanceof Refused ? thrown.faults : [thrown]).map(faultData) })
}
parentPort?.close()
