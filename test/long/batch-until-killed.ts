import { endProcess, untilSignal } from '../../src/cli/exit.ts'
import { TERMINAL } from '../../src/cli/progress.ts'
import { batchFiles } from '../../src/jobs/batch/batch-files.ts'
import type { BatchOptions } from '../../src/jobs/batch/batch-options.ts'
import { DEFAULT_CONFIG } from '../../src/runtime/config.ts'

// A batch that makes what it has done durable all the time. node --import tsx
// batch-until-killed.ts TOPOLOGY FLAGS, as JSON

const SAVED_EVERY_MS = 15

const [topology = '', given = ''] = process.argv.slice(2)
const options = JSON.parse(given) as BatchOptions
const ended = untilSignal()
const job = { topology, options, config: DEFAULT_CONFIG, savedEveryMs: SAVED_EVERY_MS }
await batchFiles(job, { report: TERMINAL, stop: ended.signal })
endProcess()
