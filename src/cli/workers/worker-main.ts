import module from 'node:module'
import { endProcess } from '../exit.ts'
import { ParentLink } from './messages.ts'

// The entry point of the process of one of several workers. It listens to its parent before it
// loads the slow modules.

const parent = new ParentLink()
// For the next start, as bin.js does.
;(module as { readonly enableCompileCache?: () => void }).enableCompileCache?.()
const { runWorkerOf } = await import('../run-worker.ts')
await runWorkerOf(parent)
parent.close()
endProcess()
