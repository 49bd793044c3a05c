import { createHash, randomUUID } from 'node:crypto'

const CHECK_LENGTH = 8

/**
 * Under which a worker of a group commits. It begins with `<group>-`, for which a right is given by
 * prefix, and ends with a hash of group and name, which those of another group that happen to read
 * the same do not have: `g` and `eu-0`, `g-eu` and `0`.
 * @param name of the worker; `undefined`: it has none, and gets another id each time
 */
export function transactionalIdOf(group: string, name: string | undefined): string {
  if (name === undefined) return `${group}-${randomUUID()}`
  const hash = createHash('sha256')
    .update(JSON.stringify([group, name]))
    .digest('hex')
  return `${group}-${name}-${hash.slice(0, CHECK_LENGTH)}`
}
