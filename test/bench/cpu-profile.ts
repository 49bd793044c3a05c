// Computes from a CPU profile how much time the stages of a worker take.

/** A profile as V8 writes it: Profiler in https://chromedevtools.github.io/devtools-protocol/. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Id of the node on top of the stack in each sample. */
  readonly samples: readonly number[]
  /** Time before each sample, µs. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: Frame
  readonly children?: readonly number[]
}

/** A function in a profile. */
export interface Frame {
  readonly functionName: string
  /** Empty for V8's own functions. */
  readonly url: string
  /** Line on which the function starts, from 0; −1 for V8's own functions. */
  readonly lineNumber: number
}

/** The time that stages take. */
export interface StageTimes {
  /** µs by stage. */
  readonly stages: ReadonlyMap<string, number>
  /** µs of functions without a stage, by function. */
  readonly others: ReadonlyMap<string, number>
}

/**
 * Sums up the self time of each stage. A function without a stage counts for its nearest caller
 * that has one.
 *
 * @param stageOf returns the stage of a function; `null`: none
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

/** µs by node: a sample lasts until the next. */
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
