import { ask, encoder } from './ask.ts'
import { coordinatorOf, metadataOf } from './cluster.ts'

// Asks a group's coordinator for its members, and resets its offsets. Addresses are `host:port`
// without security.

/** The client ids of a group's members. @throws Error while nobody can say */
export async function membersOf(address: string, group: string): Promise<string[]> {
  const body = encoder().writeInt32(1).writeString(group)
  const answer = await ask(await coordinatorAt(address, group), { api: 15, version: 0, body })
  const [found] = answer.readArray((of) => {
    const code = of.readInt16()
    of.readString()
    of.readString()
    of.readString()
    of.readString()
    const clientIds = of.readArray((member) => {
      member.readString()
      const clientId = member.readString()
      member.readString()
      member.readBytes()
      member.readBytes()
      return clientId
    })
    return { code, clientIds }
  })
  if (found === undefined || found.code !== 0) throw new Error(`${group}: code ${found?.code}`)
  return found.clientIds
}

export interface Offset {
  readonly partition: number
  readonly offset: number
}

/**
 * Commits offsets from outside, as tools do that reset them: without a word beside. The group must
 * have no members.
 */
export async function resetOffsets(
  address: string,
  { group, topic, offsets }: { group: string; topic: string; offsets: readonly Offset[] },
): Promise<void> {
  // No generation, no member, no retention of its own.
  const body = encoder().writeString(group).writeInt32(-1).writeString('').writeInt64(-1)
  body.writeInt32(1).writeString(topic).writeInt32(offsets.length)
  for (const { partition, offset } of offsets) {
    body.writeInt32(partition).writeInt64(offset).writeString('')
  }
  const answer = await ask(await coordinatorAt(address, group), { api: 8, version: 2, body })
  const codes = answer.readArray((of) => {
    of.readString()
    return of.readArray((p) => [p.readInt32(), p.readInt16()] as const)
  })
  const refused = codes.flat().find(([, code]) => code !== 0)
  if (refused !== undefined) throw new Error(`${group}: offsets refused with code ${refused[1]}`)
}

async function coordinatorAt(address: string, group: string): Promise<string> {
  const node = await coordinatorOf(address, { group })
  const at = (await metadataOf(address)).nodes.get(node ?? -1)
  if (at === undefined) throw new Error(`${group} has no coordinator`)
  return at
}
