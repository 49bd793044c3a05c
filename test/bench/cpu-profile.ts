// What a CPU profile says of the stages of a worker.

/** As V8 writes it; the Profiler domain of https://chromedevtools.github.io/devtools-protocol/. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** By its id, the node that was found on top each time. */
  readonly samples: readonly number[]
  /** Before each sample, µs. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: Frame
  readonly children?: readonly number[]
}

export interface Frame {
  readonly functionName: string
  /** Empty for what is V8's own. */
  readonly url: string
  /** Of where the function begins, from 0; −1 for what is V8's own. */
  readonly lineNumber: number
}

export interface StageTimes {
  /** µs by stage. */
  readonly stages: ReadonlyMap<string, number>
  /** µs of what belongs to no stage, by its function. */
  readonly others: ReadonlyMap<string, number>
}

/**
 * Sums up how long each stage was on top: a function that belongs to none counts for the nearest of
 * its callers that does.
 *
 * @param stageOf the stage that a function belongs to; `null`: to none
 */
export function stageTimes(
  profile: CpuProfile,
  stageOf: (frame: Frame) => string | null,
): StageTimes {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  )
  const stages = new Map<string, number>()
  const others = new Map<string, number>()
  for (const [top, micros] of selfTimes(profile)) {
    let stage: string | null = null
    for (
      let id: number | undefined = top;
      id !== undefined && stage === null;
      id = parents.get(id)
    ) {
      const frame = nodes.get(id)?.callFrame
      stage = frame === undefined ? null : stageOf(frame)
    }
    if (stage !== null) add(stages, stage, micros)
    else add(others, nameOf(nodes.get(top)?.callFrame), micros)
  }
  return { stages, others }
}

/** µs by node: a sample holds until the next. */
function selfTimes({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const times = new Map<number, number>()
  for (const [i, id] of samples.entries()) add(times, id, timeDeltas[i + 1] ?? 0)
  return times
}

function nameOf(frame: Frame | undefined): string {
  if (frame === undefined) return '(unknown)'
  const file = frame.url.split('/').slice(-2).join('/')
  return `${frame.functionName === '' ? '(anonymous)' : frame.functionName} ${file}`.trimEnd()
}

function add<K>(sums: Map<K, number>, key: K, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount)
}
