import type { Ground } from '../soak/course.ts'
import type { Entry } from './schedule.ts'

/**
 * Does something, sees that it bites, and undoes it: when it resolves all is whole again.
 *
 * @returns what was seen of it
 * @throws Error when nothing was, or when it was not whole again in time
 */
export type Verb = (ground: Ground, entry: Entry) => Promise<string>
