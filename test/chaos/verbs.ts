import type { Ground } from '../soak/course.ts'
import { linkVerbs } from './link-verbs.ts'
import { nodeVerbs } from './node-verbs.ts'
import { remakeTopic } from './remake-topic.ts'
import type { Entry, VerbName } from './schedule.ts'
import { workerVerbs } from './worker-verbs.ts'

/**
 * Does something, sees that it bites, and undoes it: when it resolves all is whole again.
 *
 * @returns what was seen of it
 * @throws Error when nothing was, or when it was not whole again in time
 */
export type Verb = (ground: Ground, entry: Entry) => Promise<string>

export const VERBS: Readonly<Record<VerbName, Verb>> = {
  ...nodeVerbs,
  ...linkVerbs,
  ...workerVerbs,
  'remake topic': remakeTopic,
}
