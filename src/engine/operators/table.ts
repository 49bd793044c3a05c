import type { Op, Step, StepOf } from '../../topology/definition.ts'
import { dedupe } from './dedupe/dedupe.ts'
import { derive } from './derive.ts'
import { features } from './features/features.ts'
import { map } from './map.ts'
import type { OperatorRule } from './rule.ts'
import { score } from './score/score.ts'
import { sink } from './sink.ts'
import { tumbling } from './tumbling/tumbling.ts'
import { where } from './where.ts'

type Rules = { readonly [O in Op]: OperatorRule<StepOf<O>> }

const RULES: Rules = { where, map, dedupe, features, derive, tumbling, score, sink }

export function operatorRuleOf({ op }: Step): OperatorRule<Step> {
  return RULES[op]
}
