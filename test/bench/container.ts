import type { Docker } from '../services/docker.ts'
import { type Figure, figure } from './figures.ts'
import { type LatencyFigures, type Load, latencyOf } from './latency.ts'
import { rssOf } from './process-usage.ts'
import type { Stage } from './stage.ts'

// Measures a worker in a container with little memory, under an even load.

/** The worker's latency and memory. */
interface ContainerFigures extends Omit<LatencyFigures, 'rssMb'> {
  /** The highest resident size of the worker. */
  readonly peakRssMb: Figure
  /** The highest memory of what counts against the container's limit. */
  readonly peakMb: Figure
  readonly oomKills: Figure
  /** Exit code or signal after SIGTERM. */
  readonly exit: number | string
}

const LIMIT = '512m'
/** The files of cgroup v2 and v1. */
const OF_CGROUP = [
  'memory.peak',
  'memory.events',
  'memory/memory.max_usage_in_bytes',
  'memory/memory.oom_control',
]

export async function container(
  stage: Stage,
  { docker, image, ...load }: Load & { docker: Docker; image: string },
): Promise<ContainerFigures> {
  const name = `tidemark-bench-${process.pid}`
  const worker = stage.startContainer(docker, image, ['--name', name, '-m', LIMIT])
  // That of the process outside is docker's own.
  const { rssMb: _, ...figures } = await latencyOf(worker, stage, load)
  const files = ['/proc/1/status', ...OF_CGROUP.map((file) => `/sys/fs/cgroup/${file}`)]
  const read = await docker.ask('exec', name, 'sh', '-c', `cat ${files.join(' ')} 2>&1; true`)
  const counted = (line: RegExp) => Number(line.exec(read)?.[1] ?? Number.NaN)
  return {
    ...figures,
    peakRssMb: figure(megabytes(rssOf(read).peakRssBytes), 0),
    peakMb: figure(megabytes(counted(/^(\d+)$/m)), 0),
    oomKills: figure(counted(/^oom_kill (\d+)$/m), 0),
    exit: await worker.stop(),
  }
}

function megabytes(bytes: number): number {
  return bytes / 1e6
}
