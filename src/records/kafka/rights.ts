import { TidemarkError } from '../../kernel/errors.ts'
import type { Coordinated } from './wire/groups.ts'

// What a user must be allowed to do (ACLs). `READ` and `WRITE` each include that the resource may
// be seen.

interface Resource {
  readonly type: 'topic' | 'group' | 'transactional id'
  readonly name: string
}

/** As Kafka's tools call them. */
const VERBS = { READ: 'Read', WRITE: 'Write', DESCRIBE: 'Describe', CREATE: 'Create' } as const
const FLAGS = { topic: 'topic', group: 'group', 'transactional id': 'transactional-id' } as const

export type Operation = keyof typeof VERBS

export function notAllowed(operation: Operation, { type, name }: Resource): TidemarkError {
  return new TidemarkError(
    'AUTHORIZATION',
    `the user has no right to ${operation} the ${type} "${name}"`,
    {
      hint: `kafka-acls.sh --add --allow-principal User:… --operation ${VERBS[operation]} --${FLAGS[type]} ${name}`,
    },
  )
}

/** Of a coordinator: as whom a worker comes to it. */
export function notCoordinated({ type, id: name }: Coordinated): TidemarkError {
  return type === 'group'
    ? notAllowed('READ', { type: 'group', name })
    : notAllowed('WRITE', { type: 'transactional id', name })
}
