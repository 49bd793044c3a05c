import { createHash, randomUUID } from 'node:crypto'

const CHECK_LENGTH = 8

/**
 * Returns the transactional id under which a worker of a group commits. It begins with `<group>-`,
 * so that a right can be granted by prefix. It ends with a hash of group and name, so that two
 * groups never get the same id, such as group `g` with worker `eu-0` and group `g-eu` with worker
 * `0`.
 * @param name of the worker; `undefined`: it has none, and gets a new id each time
 */
export function transactionalIdOf(group: string, name: string | undefined): string {
  if (name === undefined) return `${group}-${randomUUID()}`
  const hash = createHash('sha256')
    .update(JSON.stringify([group, name]))
    .digest('hex')
  return `${group}-${name}-${hash.slice(0, CHECK_LENGTH)}`
}
