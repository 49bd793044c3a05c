import { readdirSync, readFileSync } from 'node:fs'

// Reads the resource usage of a process and its children from /proc.

/** `USER_HZ`: the unit of times in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** The resource usage of a process tree. */
export interface Usage {
  /** User and system time of all threads, including those that have ended. */
  readonly cpuSeconds: number
  /** The part of it used by the main thread of the process itself. */
  readonly mainThreadSeconds: number
  /** The current resident size of all processes. */
  readonly rssBytes: number
  /** Sum of the peak resident size of each process. */
  readonly peakRssBytes: number
}

/**
 * The usage of a process and its living descendants; `null` if there is no /proc or the process has
 * ended.
 */
export function usageOf(pid: number): Usage | null {
  try {
    const used = treeOf(pid).map(processUsage)
    const mainThread = cpuTicks(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8'))
    return {
      mainThreadSeconds: mainThread / TICKS_PER_SECOND,
      cpuSeconds: used.reduce((sum, of) => sum + of.cpuSeconds, 0),
      rssBytes: used.reduce((sum, of) => sum + of.rssBytes, 0),
      peakRssBytes: used.reduce((sum, of) => sum + of.peakRssBytes, 0),
    }
  } catch {
    return null
  }
}

type ProcessUsage = Omit<Usage, 'mainThreadSeconds'>

/** By pid, the usage of a process and its living descendants. */
export function usagesOf(pid: number): ReadonlyMap<number, ProcessUsage> {
  try {
    return new Map(treeOf(pid).map((of) => [of, processUsage(of)]))
  } catch {
    // One of them has ended meanwhile.
    return new Map()
  }
}

function processUsage(pid: number): ProcessUsage {
  const ticks = cpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const rss = rssOf(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return { cpuSeconds: ticks / TICKS_PER_SECOND, ...rss }
}

/**
 * User and system time in `/proc/PID/stat`, ticks. The name before them may contain spaces and
 * brackets.
 */
export function cpuTicks(stat: string): number {
  const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(afterName[11]) + Number(afterName[12])
}

/** The resident size in `/proc/PID/status`, and its peak; 0 once it has ended. */
export function rssOf(status: string): Pick<Usage, 'rssBytes' | 'peakRssBytes'> {
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1_024
  return { rssBytes: bytes('VmRSS'), peakRssBytes: bytes('VmHWM') }
}

function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter((child) => child !== ''),
  )
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))]
}
