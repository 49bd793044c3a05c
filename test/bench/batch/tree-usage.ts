import type { Running } from '../../services/tidemark.ts'
import { usagesOf } from '../process-usage.ts'

/** What a process and all that it has started took. Without /proc, only time is measured. */
export interface TreeUsage {
  readonly seconds: number
  /** User and system time, also of those that ended before the process. */
  readonly cpuSeconds: number | null
  /** The largest sum of their resident sizes at one moment; shared memory counts for each. */
  readonly peakRssBytes: number | null
}

const LOOK_EVERY_MS = 50
/** How much of its stderr is shown when it fails. */
const LAST_CHARACTERS = 2_000

/** Follows a process until it ends. @throws Error when it fails */
export async function treeUsage({ process: child, ended }: Running): Promise<TreeUsage> {
  const startMs = performance.now()
  const cpuSeconds = new Map<number, number>()
  let peakRssBytes = 0
  const look = () => {
    const usages = usagesOf(child.pid as number)
    for (const [pid, usage] of usages) cpuSeconds.set(pid, usage.cpuSeconds)
    const rssBytes = [...usages.values()].reduce((sum, usage) => sum + usage.rssBytes, 0)
    peakRssBytes = Math.max(peakRssBytes, rssBytes)
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  const { code, signal, stderr } = await ended
  clearInterval(timer)
  if (code !== 0)
    throw new Error(`it ended (${code ?? signal}):\n${stderr.slice(-LAST_CHARACTERS)}`)
  const cpu = [...cpuSeconds.values()].reduce((sum, of) => sum + of, 0)
  return {
    seconds: (performance.now() - startMs) / 1_000,
    cpuSeconds: cpu || null,
    peakRssBytes: peakRssBytes || null,
  }
}
