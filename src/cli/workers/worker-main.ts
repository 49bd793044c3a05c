import module from 'node:module'
import { endProcess } from '../end-process.ts'
import { ParentLink } from './parent-link.ts'

// The entry point of the process of one of several workers. It listens to its parent before it
// loads the slow modules.

const parent = new ParentLink()
// As in bin.js.
;(module as { readonly enableCompileCache?: () => void }).enableCompileCache?.()
const { liveAsWorker } = await import('./worker-life.ts')
await liveAsWorker(parent)
parent.close()
endProcess()
