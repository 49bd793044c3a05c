import { TidemarkError } from '../../kernel/errors.ts'
import { notAllowed } from './rights.ts'
import { CODE, nameOfCode } from './wire/codes.ts'

/** The error for a group's refusal of an offset; `null`: the code is none of the group's. */
export function groupRefusal(code: number, group: string): TidemarkError | null {
  const message = `the group answered with ${nameOfCode(code)}`
  switch (code) {
    case CODE.REBALANCE_IN_PROGRESS:
    case CODE.ILLEGAL_GENERATION:
      return new TidemarkError('REBALANCING', message)
    case CODE.UNKNOWN_MEMBER_ID:
    case CODE.FENCED_INSTANCE_ID:
      return new TidemarkError('FENCED', message, {
        hint: 'the group went on without this member',
      })
    case CODE.OFFSET_METADATA_TOO_LARGE:
      return new TidemarkError(
        'CONFIG_INVALID',
        'the brokers accept less metadata with an offset than this group has to store',
        {
          where: group,
          hint:
            "set the brokers' offset.metadata.max.bytes to 4096, the default, or run fewer topologies in the group, or topologies with " +
            'shorter names',
        },
      )
    case CODE.GROUP_AUTHORIZATION_FAILED:
      return notAllowed('READ', { type: 'group', name: group })
    case CODE.TOPIC_AUTHORIZATION_FAILED:
      return new TidemarkError('AUTHORIZATION', message, {
        where: group,
        hint: 'the user lacks the right READ on a topic whose offsets the group commits',
      })
    default:
      return null
  }
}
