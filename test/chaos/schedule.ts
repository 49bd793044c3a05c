import { mulberry32 } from '../bench/payments.ts'

// The failures of a run, when and to whom they happen: all decided by a seed.

/** Things of one lane happen one after the other, things of different lanes at any time. */
export const LANES = {
  nodes: ['kill node', 'pause node', 'restart node', 'move leaders', 'fill disk'],
  links: ['throttle', 'slow link', 'reset links', 'black hole'],
  workers: [
    ...(['kill worker', 'freeze worker', 'stop worker', 'scale', 'clock jump'] as const),
    ...(['reset offsets', 'remake topic'] as const),
  ],
} as const

type Lane = keyof typeof LANES
export type VerbName = (typeof LANES)[Lane][number]

export interface Entry {
  readonly lane: Lane
  /** After the first payment, s. */
  readonly atS: number
  readonly verb: VerbName
  /** `node 1`, `node 2 to broker`, `w3`, or `all`. */
  readonly target: string
  /** From where it begins to where it is undone, s. */
  readonly lastsS: number
}

export interface ScheduleOptions {
  readonly seed: number
  readonly seconds: number
  readonly nodes: number
  readonly workers: readonly string[]
  /** Verbs that cannot be done here. @default none */
  readonly without?: readonly VerbName[]
}

/** Time from the end of an entry until nodes are in sync again, or workers are back. */
const COMES_ROUND_S: Record<Lane, number> = { nodes: 9, links: 1, workers: 6 }
const LASTS_S: Partial<Record<VerbName, readonly [least: number, most: number]>> = {
  'kill node': [1, 6],
  'pause node': [1, 6],
  'restart node': [0, 3],
  throttle: [6, 9],
  'slow link': [4, 8],
  'black hole': [4, 12],
  // Longer than a worker's session.
  'freeze worker': [7, 11],
  'clock jump': [3, 8],
}
const TO_ALL: readonly VerbName[] = [
  ...(['move leaders', 'reset links', 'scale', 'reset offsets', 'remake topic'] as const),
]
const FIRST_AT_S = 3
/** The longest gap between two of a lane. */
const GAP_S = 3

/** In the order of time. Each verb comes once before any comes again. */
export function scheduleOf({
  seed,
  seconds,
  nodes,
  workers,
  without = [],
}: ScheduleOptions): Entry[] {
  const random = mulberry32(seed)
  const between = (least: number, most: number) => least + random() * (most - least)
  const ids = Array.from({ length: nodes }, (_, i) => `node ${i + 1}`)
  const targetsOf = (lane: Lane, verb: VerbName): readonly string[] => {
    if (TO_ALL.includes(verb)) return ['all']
    if (verb === 'black hole') return ids.flatMap((id) => [`${id} to broker`, `${id} to client`])
    return lane === 'workers' || verb === 'throttle' ? workers : ids
  }
  const entries: Entry[] = []
  for (const lane of Object.keys(LANES) as Lane[]) {
    const verbs = (LANES[lane] as readonly VerbName[]).filter((verb) => !without.includes(verb))
    let toCome: VerbName[] = []
    for (let atS = between(FIRST_AT_S, FIRST_AT_S + GAP_S); ; ) {
      if (toCome.length === 0) toCome = shuffled(verbs, random)
      const verb = toCome.shift() as VerbName
      const targets = targetsOf(lane, verb)
      const target = targets[Math.floor(random() * targets.length)] as string
      const lastsS = round(between(...(LASTS_S[verb] ?? [0, 0])))
      if (atS + lastsS + COMES_ROUND_S[lane] > seconds) break
      entries.push({ lane, atS: round(atS), verb, target, lastsS })
      atS += lastsS + COMES_ROUND_S[lane] + between(0, GAP_S)
    }
  }
  return entries.toSorted((a, b) => a.atS - b.atS)
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
