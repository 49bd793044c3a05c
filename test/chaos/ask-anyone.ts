import { metadataOf, until } from '../services/cluster.ts'
import type { Ground } from '../soak/course.ts'

const ANYONE_WITHIN_MS = 20_000

/** The address of a node that answers now. @throws Error when none does within 20 s */
export async function address({ options: { brokers } }: Ground): Promise<string> {
  let found = ''
  const answers = async () => {
    found = await Promise.any(brokers.map(async (at) => metadataOf(at).then(() => at)))
    return true
  }
  await until('answered', answers, ANYONE_WITHIN_MS)
  return found
}
