import { batchFiles } from '../../src/cli/batch/batch-files.ts'
import type { BatchFlags } from '../../src/cli/batch/job.ts'
import { readConfig } from '../../src/cli/config.ts'
import { endProcess, untilSignal } from '../../src/cli/exit.ts'
import { PREPARE_SETTINGS } from '../../src/cli/settings.ts'

// A batch that makes what it has done durable all the time. node --import tsx
// batch-until-killed.ts TOPOLOGY FLAGS, as JSON

const SAVED_EVERY_MS = 15

const [file = '', given = ''] = process.argv.slice(2)
const flags = JSON.parse(given) as BatchFlags & { readonly workers: number }
const config = readConfig([...PREPARE_SETTINGS, 'workers'], {})
const { workers } = flags
const ended = untilSignal()
await batchFiles({ file, flags, config, workers, savedEveryMs: SAVED_EVERY_MS }, ended)
endProcess()
