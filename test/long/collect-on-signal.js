import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Preloaded by a process whose memory is looked at: after SIGUSR2 it has no garbage any more.

setFlagsFromString('--expose-gc')
process.on('SIGUSR2', runInNewContext('gc'))
