import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// The real command line in a process of its own.

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcessWithoutNullStreams
  /** The text that the process has written to stderr so far. */
  stderr(): string
  /**
   * Resolves when stderr holds the text, so often; rejects when the process ends before. @param
   * times @default 1
   */
  says(text: string, times?: number): Promise<void>
  readonly ended: Promise<Ended>
}

export interface SpawnOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** The content of stdin; `null` leaves stdin open. @default nothing */
  readonly stdin?: string | Buffer | null
  /** The checkout whose command line it is. @default this one */
  readonly root?: string
}

/** Starts `tidemark ARGS`; the caller waits for it to end, or ends it. */
export function startTidemark(args: readonly string[], o: SpawnOptions = {}): Running {
  return startNode([join(o.root ?? ROOT, 'src/cli/bin.js'), ...args], o)
}

/** The same for any program that Node runs. */
export function startNode(args: readonly string[], o: SpawnOptions = {}): Running {
  return startProgram(process.execPath, args, o)
}

/** The same for any program. */
export function startProgram(file: string, args: readonly string[], o: SpawnOptions = {}): Running {
  const child = spawn(file, args, {
    cwd: o.cwd,
    env: { ...process.env, NO_COLOR: '1', TIDEMARK_HTTP_PORT: 'off', ...o.env },
  })
  let stdout = ''
  let stderr = ''
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    for (const check of [...waiting]) check()
  })
  child.stdin.on('error', () => {})
  if (o.stdin !== null) child.stdin.end(o.stdin ?? '')
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    for (const check of [...waiting]) check()
    return { code, signal, stdout, stderr }
  })
  const holds = (text: string, times: number) => {
    let at = -1
    for (let found = 0; found < times; found++) {
      at = stderr.indexOf(text, at + 1)
      if (at === -1) return false
    }
    return true
  }
  const says = (text: string, times = 1) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        const over = child.exitCode !== null || child.signalCode !== null
        if (holds(text, times)) resolve()
        else if (over) reject(new Error(`ended without saying "${text}":\n${stderr}`))
        else return
        waiting.delete(check)
      }
      waiting.add(check)
      check()
    })
  return { process: child, stderr: () => stderr, says, ended }
}
