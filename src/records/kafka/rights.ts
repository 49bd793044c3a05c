import { TidemarkError } from '../../kernel/errors.ts'
import type { Coordinated } from './wire/groups.ts'

// Errors for missing rights (ACLs). `READ` and `WRITE` each imply that the resource may be
// described.

interface Resource {
  readonly type: 'topic' | 'group' | 'transactional id'
  readonly name: string
}

/** The names that Kafka's tools use. */
const VERBS = { READ: 'Read', WRITE: 'Write', DESCRIBE: 'Describe', CREATE: 'Create' } as const
const FLAGS = { topic: 'topic', group: 'group', 'transactional id': 'transactional-id' } as const

/** An operation that needs a right. */
export type Operation = keyof typeof VERBS

/** The error for a missing right, with the command that grants it. */
export function notAllowed(operation: Operation, { type, name }: Resource): TidemarkError {
  return new TidemarkError(
    'AUTHORIZATION',
    `the user has no right to ${operation} the ${type} "${name}"`,
    {
      hint: `kafka-acls.sh --add --allow-principal User:… --operation ${VERBS[operation]} --${FLAGS[type]} ${name}`,
    },
  )
}

/**
 * The error for missing access to a coordinator: a worker reads as a group and writes under a
 * transactional id.
 */
export function notCoordinated({ type, id: name }: Coordinated): TidemarkError {
  return type === 'group'
    ? notAllowed('READ', { type: 'group', name })
    : notAllowed('WRITE', { type: 'transactional id', name })
}
