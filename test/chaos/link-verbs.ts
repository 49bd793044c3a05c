import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../services/cluster.ts'
import type { Link, LinkCounts, Way } from '../services/links.ts'
import { limitProducer } from '../services/quota.ts'
import type { Ground } from '../soak/course.ts'
import { address } from './ask-anyone.ts'
import type { Entry, VerbName } from './schedule.ts'
import type { Verb } from './verb.ts'

// Brokers that are far, or that hold a worker back.

/** Bytes for each payment fed: half of what one of three workers writes to one of three nodes. */
const QUOTA = 10
const SLOW = 30_000
/** A node that is away meanwhile feels nothing. */
const BITES_WITHIN_MS = 60_000
const LEAST = {
  throttledMs: 1,
  // Half a second longer than on a whole link.
  slowedMs: 500,
  heldBytes: 1,
} as const

type LinkVerb = Extract<VerbName, 'throttle' | 'slow link' | 'reset links' | 'black hole'>

export const linkVerbs: Readonly<Record<LinkVerb, Verb>> = {
  throttle: async (ground, { target, lastsS }) => {
    const { links } = ground.options
    // The node that is asked may be gone by then.
    const limit = (quota: number | null) => {
      const isSet = async () => {
        await limitProducer(await address(ground), target, quota)
        return true
      }
      return until('set', isSet, BITES_WITHIN_MS)
    }
    const begin = () => limit(QUOTA * ground.options.perSecond)
    const end = () => limit(null)
    const ms = await whileItLasts({ links, what: 'throttledMs', lastsS, begin, end })
    return `it was told to wait ${Math.round(ms)} ms in all`
  },
  'slow link': async (ground, entry) => {
    const link = linkOf(ground, entry)
    let heal = () => {}
    const begin = async () => {
      heal = link.slow(SLOW)
    }
    const { lastsS } = entry
    const end = async () => heal()
    const ms = await whileItLasts({ links: [link], what: 'slowedMs', lastsS, begin, end })
    return `bytes waited for ${Math.round(ms)} ms in all`
  },
  'black hole': async (ground, entry) => {
    const link = linkOf(ground, entry)
    const way: Way = entry.target.endsWith('to broker') ? 'to broker' : 'to client'
    let heal = () => {}
    const begin = async () => {
      heal = link.blackHole(way)
    }
    const { lastsS } = entry
    const end = async () => heal()
    const bytes = await whileItLasts({ links: [link], what: 'heldBytes', lastsS, begin, end })
    return `${bytes} bytes were held`
  },
  'reset links': async ({ options: { links } }) => {
    const before = sumOf(links, 'resets')
    let resets = 0
    // There is no connection while all workers stand still.
    const haveReset = async () => {
      for (const link of links) link.reset()
      resets = sumOf(links, 'resets') - before
      return resets > 0
    }
    await until('reset', haveReset, BITES_WITHIN_MS)
    return `${resets} ends of connections were reset`
  },
}

interface Lasting {
  readonly links: readonly Link[]
  /** By which it is seen to bite. */
  readonly what: keyof typeof LEAST
  readonly lastsS: number
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void>
}

/** How much came of it. @throws Error when nothing did within a minute more */
async function whileItLasts({ links, what, lastsS, begin, end }: Lasting): Promise<number> {
  const before = sumOf(links, what)
  const more = () => sumOf(links, what) - before
  await begin()
  try {
    await sleep(lastsS * 1_000)
    await until('felt', async () => more() >= LEAST[what], BITES_WITHIN_MS)
  } finally {
    await end()
  }
  return more()
}

function linkOf({ options: { links } }: Ground, { target }: Entry): Link {
  const link = links[Number(/\d+/.exec(target)?.[0]) - 1]
  if (link === undefined) throw new RangeError(`no link to ${target}`)
  return link
}

function sumOf(links: readonly Link[], what: keyof LinkCounts): number {
  return links.reduce((sum, { counts }) => sum + counts[what], 0)
}
