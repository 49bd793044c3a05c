import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

// Runs Check.java, which checks what workers have written to Kafka, by the raw logs alone.

/** The input of the checker, which has the same fields. */
export interface Run {
  readonly brokers: string
  readonly group: string
  readonly input: string
  readonly predictions: string
  readonly deadLetters: string
  /** How many records the input must have. */
  readonly fed: number
  /** Outputs were written under at-least-once: a repeated outcome is no fault. */
  readonly mayRepeat: boolean
  /** File with the notes of {@link Watch}; `null`: committed offsets are not checked. */
  readonly notes: string | null
}

interface Fault {
  readonly count: number
  readonly examples: readonly string[]
}

/** The result of the checker for one run. */
export interface Verdict {
  readonly group: string
  readonly ok: boolean
  readonly inputs: number
  readonly predictions: number
  readonly deadLetters: number
  /** Predictions and dead letters that repeat an earlier one. */
  readonly repeated: number
  /** Outcomes that are in the log but not visible under read_committed. */
  readonly aborted: number
  readonly notes: number
  readonly faults: Readonly<Record<string, Fault>>
}

/** The committed offsets, and where the outputs ended after they were read. */
export interface Note {
  readonly atMs: number
  /** By partition of the input. */
  readonly committed: Readonly<Record<string, number>>
  /** By partition of the outputs; `readable`: under read_committed. */
  readonly written: Readonly<Record<string, number>>
  readonly readable: Readonly<Record<string, number>>
}

const BROKER = join(import.meta.dirname, '../services/broker.sh')
const PROGRAM = join(import.meta.dirname, 'Check.java')
/** Keeps memory and start time small. */
const JVM = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/** Writes a run to a file and returns its path. */
export function runFile(folder: string, name: string, run: Run): string {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify(run))
  return file
}

/** The arguments of `java`. @throws Error when Java or Maven is missing and cannot be installed */
function java(args: readonly string[]): string[] {
  const jars = execFileSync(BROKER, ['jars'], { encoding: 'utf8' }).trim()
  return [...JVM, '-cp', `${jars}/*`, PROGRAM, ...args]
}

/**
 * Checks runs and returns a verdict for each, in order.
 *
 * @param files each with a {@link Run} as JSON
 * @param tell called with the verdicts as text
 * @throws Error when the checker fails
 */
export function check(
  files: readonly string[],
  { timeoutMs, tell }: { readonly timeoutMs: number; readonly tell: (text: string) => void },
): Promise<Verdict[]> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const
    execFile('java', java(['check', ...files]), options, (error, stdout, stderr) => {
      const verdicts = stdout.split('\n').filter((line) => line !== '')
      if (verdicts.length < files.length)
        reject(new Error(`no verdict: ${stderr}`, { cause: error }))
      else {
        tell(stderr)
        resolve(verdicts.map((line) => JSON.parse(line) as Verdict))
      }
    })
  })
}

/** Notes the committed offsets a few times a second until it is stopped. */
export interface Watch {
  /** Resolves when a note satisfies the condition. Rejects when the watch ends before that. */
  until(says: (note: Note) => boolean): Promise<void>
  /** Resolves when the last note is in the file. */
  stop(): Promise<void>
}

/** Watches a run. Its errors go to stderr. */
export function startWatch(file: string, notes: string): Watch {
  const child = spawn('java', java(['watch', file]), { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {})
  const out = createWriteStream(notes)
  const waiting = new Map<(note: Note) => boolean, () => void>()
  createInterface(child.stdout).on('line', (line) => {
    out.write(`${line}\n`)
    if (waiting.size === 0) return
    const note = JSON.parse(line) as Note
    for (const [says, resolve] of waiting) {
      if (!says(note)) continue
      waiting.delete(says)
      resolve()
    }
  })
  const ended = once(child, 'close').then(() => {
    out.end()
    return once(out, 'finish')
  })
  const until = (says: (note: Note) => boolean) =>
    Promise.race([
      new Promise<void>((resolve) => waiting.set(says, resolve)),
      ended.then((): never => {
        throw new Error('the watch has ended')
      }),
    ])
  const stop = async () => {
    child.stdin.end()
    const kill = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(kill)
  }
  return { until, stop }
}
