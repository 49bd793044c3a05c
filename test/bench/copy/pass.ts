import type { Guarantee } from '../../../src/connect/port.ts'

// The arguments and the output of a client's process, also of clients in other languages.

/** Copy the whole input once to each output, as a member of a group named like the output. */
export interface CopyTask {
  readonly brokers: readonly string[]
  readonly guarantee: Guarantee
  readonly intervalMs: number
  readonly records: number
  readonly input: string
  readonly outputs: readonly string[]
}

/**
 * One copy of the whole input, from the first records read to the last commit acknowledged. Printed
 * as a line of JSON on stdout.
 */
export interface Pass {
  readonly records: number
  /** User and system time of the process, all threads. */
  readonly cpuMicros: number
  readonly wallMs: number
  readonly commits: number
}

/** The arguments of a client's process. */
export function argumentsOf(task: CopyTask): string[] {
  const { brokers, guarantee, intervalMs, records, input, outputs } = task
  return [brokers.join(','), guarantee, String(intervalMs), String(records), input, ...outputs]
}

/** Parses {@link argumentsOf} in that process. */
function taskOf(args: readonly string[]): CopyTask {
  const [brokers = '', guarantee, intervalMs, records, input = '', ...outputs] = args
  return {
    brokers: brokers.split(','),
    guarantee: guarantee as Guarantee,
    intervalMs: Number(intervalMs),
    records: Number(records),
    input,
    outputs,
  }
}

/** Measures a pass, in the client's process. */
export class Meter {
  #startMs = 0
  #cpu: NodeJS.CpuUsage | null = null

  /** Called when records arrive; only the first call has an effect. */
  start(): void {
    if (this.#cpu !== null) return
    this.#startMs = performance.now()
    this.#cpu = process.cpuUsage()
  }

  end(records: number, commits: number): Pass {
    const { user, system } = process.cpuUsage(this.#cpu ?? undefined)
    const wallMs = Math.round(performance.now() - this.#startMs)
    return { records, cpuMicros: user + system, wallMs, commits }
  }
}

/** Runs the passes of this process one after the other and prints each. */
export async function runPasses(
  copy: (task: CopyTask, output: string) => Promise<Pass>,
): Promise<void> {
  const task = taskOf(process.argv.slice(2))
  for (const output of task.outputs) console.log(JSON.stringify(await copy(task, output)))
}
