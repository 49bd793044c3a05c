import module from 'node:module'
import { ParentLink } from '../host/workers/messages.ts'
import { endProcess, failWith } from './exit.ts'
import { watchStdout, watchWarnings } from './print.ts'

// The entry point of the process of one of several workers. It listens to its parent before it
// loads the slow modules.

const parent = new ParentLink()
// An error on stdout or stderr cannot be reported anywhere.
watchStdout(() => {})
process.stderr.on('error', () => {})
watchWarnings()
// For the next start, as bin.js does.
;(module as { readonly enableCompileCache?: () => void }).enableCompileCache?.()
const { workFor } = await import('../host/process-worker.ts')
const { toStderr } = await import('../observe/log.ts')
const { processLog } = await import('./run-output.ts')
try {
  await workFor(parent, (config, worker) => processLog(config, toStderr(), worker))
} catch (thrown) {
  process.exitCode = failWith(thrown)
}
parent.close()
endProcess()
