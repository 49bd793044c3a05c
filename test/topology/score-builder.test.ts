import { defineTopology, rule, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'

// Arguments of `.score` that JavaScript may pass, although types forbid them.

const half = rule({ outputs: ['p'] }, () => ({ p: 0.5 }))
const Event = z.object({ k: z.string(), at: z.number() })

/** Why a score step is refused. */
function refused(given: unknown, o: unknown = {}): string {
  try {
    defineTopology('test', (t) => {
      const features = t
        .source('in', {
          schema: Event,
          key: (e) => e.k,
          eventTimeMs: (e) => e.at,
          watermark: { lag: seconds(1) },
          onLate: 'drop',
        })
        .features((f) => ({ at: f.events({ at: (e) => e.at }).value('at') }))
      return features.score(given as never, o as never).sink('out') as never
    })
  } catch (error) {
    return (error as Error).message.replace('topology "test": .score: ', '')
  }
  return ''
}

const models = { half }

test.each<[string, unknown, string]>([
  ['nothing', undefined, 'it needs a model, got undefined'],
  ['null', null, 'it needs a model, got null'],
  ['a list', [half], 'it needs a model, { models, … } or { variants, … }'],
  ['a rule alone', half, 'it got a rule alone: name it, { models: { rules }, … }'],
  ['no models', { models: null, otherwise: 'half' }, 'models must be an object, got null'],
  [
    'a model that is not exported',
    { models: { half, gone: undefined }, otherwise: 'half' },
    'models.gone must be a model, got undefined',
  ],
  ['no variants', { variants: half, budget: seconds(1) }, 'variants must be an array, got object'],
  [
    'one rule, not in a list',
    { models, route: { to: 'half', share: 0.1 }, otherwise: 'half' },
    'route must be an array, got object',
  ],
  [
    'a misspelt key',
    { models, routes: [], otherwise: 'half' },
    'it has models, route, otherwise, fallback, fallbackOn, shadow, reuse, but not routes',
  ],
  [
    'a misspelt key of a rule',
    { models, route: [{ to: 'half', shar: 0.1 }], otherwise: 'half' },
    'route[0] has to, name, when, share, but not shar',
  ],
  [
    'a misspelt key of a shadow',
    { models, otherwise: 'half', shadow: { half: { snik: 'x' } } },
    'shadow.half has sink, share, but not snik',
  ],
  [
    'models and variants',
    { models, variants: [], otherwise: 'half' },
    'it has models, route, otherwise, fallback, fallbackOn, shadow, reuse, but not variants',
  ],
  [
    'another reason for a fallback',
    { models, otherwise: 'half', fallbackOn: ['late'] },
    `fallbackOn must be ['budget'], got ["late"]`,
  ],
  [
    'a reason for a fallback that is not there',
    { models, otherwise: 'half', fallbackOn: ['budget'] },
    'fallbackOn says when the fallback scores, and there is none',
  ],
  [
    'a share that is text',
    { models, route: [{ to: 'half', share: '0.1' }], otherwise: 'half' },
    'route[0].share must be a number, got string',
  ],
  [
    'a rule that waits',
    { models, route: [{ to: 'half', when: async () => true }], otherwise: 'half' },
    'route[0].when must return true or false, and a promise is neither',
  ],
  [
    'variants without a budget',
    { variants: [] },
    'budget must be a duration, such as millis(20), got undefined',
  ],
  [
    'a budget that is text',
    { variants: [], budget: '20ms' },
    'budget must be a duration, such as millis(20), got string',
  ],
  [
    'a wish to adapt that is text',
    { variants: [], budget: seconds(1), adapt: 'yes' },
    'adapt must be true or false, got string',
  ],
  [
    'a variant that is none',
    { variants: [undefined], budget: seconds(1) },
    'variants[0] must be a model, got undefined',
  ],
])('%s is refused where it is written', (_, given, message) => {
  expect(refused(given)).toBe(message)
})

test('all faults of a step are told at once, those of its options as well', () => {
  const given = { models, routes: [], otherwise: 'half', fallbackOn: 'budget' }
  expect(refused(given, { mising: 'nan' })).toBe(
    [
      'it has models, route, otherwise, fallback, fallbackOn, shadow, reuse, but not routes',
      `fallbackOn must be ['budget'], got "budget"`,
      'the second argument has carry, missing, latencyBudget, but not mising',
    ].join('; '),
  )
})

test('what is understood is not refused', () => {
  expect(refused({ models, route: [{ to: 'half', share: 0.5 }], otherwise: 'half' })).toBe('')
})
