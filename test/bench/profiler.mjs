// Preloaded into a worker: profiles its main thread from one SIGUSR2 to the next and writes the
// profile to the file named by BENCH_PROFILE. Plain JavaScript, which needs no loader, so that the
// worker runs as it would without it.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { isMainThread } from 'node:worker_threads'

const EVERY_MICROS = 500

function profile() {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: EVERY_MICROS })
  session.post('Profiler.start')
  process.once('SIGUSR2', () => {
    session.post('Profiler.stop', (error, told) => {
      if (error !== null) throw error
      writeFileSync(process.env.BENCH_PROFILE, JSON.stringify(told.profile))
    })
    session.disconnect()
  })
}

// The worker's threads load this module too.
if (isMainThread) process.once('SIGUSR2', profile)
