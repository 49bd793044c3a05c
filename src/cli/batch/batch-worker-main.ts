import { endProcess } from '../exit.ts'
import { workForParent } from './batch-worker-process.ts'

// The entry point of the process of one of several workers of a batch.

await workForParent()
endProcess()
