import module from 'node:module'
import { ParentLink } from './parent-link.ts'

// The process of one of several workers starts here. It listens to its parent before it loads what
// takes time.

const parent = new ParentLink()
// As in bin.js.
;(module as { readonly enableCompileCache?: () => void }).enableCompileCache?.()
const { liveAsWorker } = await import('./worker-life.ts')
await liveAsWorker(parent)
parent.close()
// A broker that hangs may hold a connection open, which nobody needs any more.
setTimeout(() => process.exit(), 2_000).unref()
