import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../services/cluster.ts'
import { freePorts } from '../services/ports.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Logs of a worker that cannot be written. The workers have no broker, so that
// they say something every few seconds.

const BIN = join(ROOT, 'src/cli/bin.js')

interface Lone {
  readonly process: ChildProcess
  /** Its metric of dropped lines; `null` while it does not answer. */
  dropped(): Promise<number | null>
  /** Its state; `null` while it does not answer. */
  state(): Promise<string | null>
}

/** A worker whose stderr is this. */
async function worker(stderr: number): Promise<Lone> {
  const [http = 0, nobody = 0] = await freePorts(2)
  const brokers = ['--brokers', `127.0.0.1:${nobody}`, '--http-port', String(http)]
  const child = spawn(process.execPath, [BIN, 'run', 'topologies/card-fraud.ts', ...brokers], {
    stdio: ['ignore', 'ignore', stderr],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  closeSync(stderr)
  const answer = async (path: string) => {
    try {
      return await (await fetch(`http://127.0.0.1:${http}/${path}`)).text()
    } catch {
      return null
    }
  }
  return {
    process: child,
    dropped: async () => {
      const metrics = await answer('metrics')
      const [, count] = /^tidemark_log_lines_dropped_total (\d+)$/m.exec(metrics ?? '') ?? []
      return count === undefined ? null : Number(count)
    },
    state: async () => {
      const readiness = await answer('readyz')
      return readiness === null ? null : (JSON.parse(readiness) as { state: string }).state
    },
  }
}

/** It has dropped lines and lives. */
async function dropsAndLives(lone: Lone): Promise<void> {
  await until('lines are dropped', async () => ((await lone.dropped()) ?? 0) > 2)
  expect(lone.process.exitCode).toBeNull()
}

async function endsInOrder({ process: child }: Lone): Promise<void> {
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
}

/** Both ends of a pipe; nobody reads. */
function pipe(): { reader: number; writer: number } {
  const path = join(folderWith({}), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return { reader, writer: openSync(path, constants.O_WRONLY) }
}

/** Writes into a pipe until it takes no more. */
function fill(writer: number): void {
  const fd = openSync(`/proc/self/fd/${writer}`, constants.O_WRONLY | constants.O_NONBLOCK)
  try {
    for (;;) writeSync(fd, 'x'.repeat(4_096))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  } finally {
    closeSync(fd)
  }
}

/** A disk of one page; `null` where none can be mounted. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    rmSync(folder, { recursive: true })
    return null
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true })
  })
  return folder
}

test('a full disk under its log does not end a worker; once there is room it says what was dropped', async () => {
  const disk = smallDisk()
  if (disk === null) {
    // Without the right to mount one, there is a file that is always full.
    const lone = await worker(openSync('/dev/full', 'w'))
    await dropsAndLives(lone)
    return endsInOrder(lone)
  }
  const [log, filler] = [join(disk, 'log'), join(disk, 'filler')]
  const fd = openSync(log, 'a')
  writeFileSync(filler, 'x'.repeat(4_096))
  const lone = await worker(fd)
  await dropsAndLives(lone)
  expect(readFileSync(log, 'utf8')).toBe('')
  rmSync(filler)
  await until('it says so', async () => readFileSync(log, 'utf8').includes('\n'))
  const [line = ''] = readFileSync(log, 'utf8').split('\n')
  expect(JSON.parse(line)).toMatchObject({
    level: 'warn',
    msg: 'log lines were dropped',
    reason: 'ENOSPC',
    count: await lone.dropped(),
  })
  await endsInOrder(lone)
})

test('a reader of its log that has gone does not end a worker', async () => {
  const { reader, writer } = pipe()
  closeSync(reader)
  const lone = await worker(writer)
  await dropsAndLives(lone)
  await expect(endsInOrder(lone)).resolves.toBeUndefined()
})

test('a reader of its log that does not read neither holds a worker nor its end', async () => {
  const { reader, writer } = pipe()
  fill(writer)
  const lone = await worker(writer)
  const isUnavailable = async () => (await lone.state()) === 'unavailable'
  await until('it has said what keeps it', isUnavailable)
  expect(await lone.dropped()).toBe(0)
  await endsInOrder(lone)
  closeSync(reader)
})
