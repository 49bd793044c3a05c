import { linkVerbs } from './link-verbs.ts'
import { nodeVerbs } from './node-verbs.ts'
import { remakeTopic } from './remake-topic.ts'
import type { VerbName } from './schedule.ts'
import type { Verb } from './verb.ts'
import { workerVerbs } from './worker-verbs.ts'

export const VERBS: Readonly<Record<VerbName, Verb>> = {
  ...nodeVerbs,
  ...linkVerbs,
  ...workerVerbs,
  'remake topic': remakeTopic,
}
