import type { OutputOf } from 'tidemark'
import { expectTypeOf, test } from 'vitest'
import cardActivity from '../../topologies/card-activity.ts'

test('what comes out of windows, features and a model has the type of the last map', () => {
  type Activity = OutputOf<typeof cardActivity, 'card-activity'>
  expectTypeOf<Activity['cardId']>().toEqualTypeOf<string>()
  expectTypeOf<Activity['minuteStart']>().toEqualTypeOf<number>()
  expectTypeOf<Activity['probability']>().toEqualTypeOf<number>()
  expectTypeOf<Activity['features']['spent1h']>().toEqualTypeOf<number>()
  expectTypeOf<keyof Activity['features']>().not.toEqualTypeOf<string>()
  expectTypeOf<OutputOf<typeof cardActivity, 'card-minutes'>>().toBeNever()
})
