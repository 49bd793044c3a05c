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

const OPERATORS: { readonly [O in Op]: OperatorRule<StepOf<O>> } = {
  where,
  map,
  dedupe,
  features,
  derive,
  tumbling,
  score,
  sink,
}

export function operatorRuleOf<S extends Step>({ op }: S): OperatorRule<S> {
  return OPERATORS[op] as unknown as OperatorRule<S>
}
