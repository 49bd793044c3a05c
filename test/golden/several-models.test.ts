import { beforeAll, describe, expect, test } from 'vitest'
import type { Place } from './answers.ts'
import { compareGolden, readGolden } from './golden.ts'
import { throughDriver } from './through-driver.ts'

const folder = (name: string) => readGolden(new URL(name, import.meta.url).pathname)

/** The first output of a partition that stands before one of an earlier record. */
function firstOutOfOrder(outputs: readonly Place[]): Place | undefined {
  const newest = new Map<number, number>()
  return outputs.find(({ partition, offset }) => {
    const before = newest.get(partition) ?? -1
    newest.set(partition, offset)
    return offset <= before
  })
}

describe.each(['card-routes', 'card-shares', 'card-shadow'])(
  'through the testing driver, %s',
  (name) => {
    const golden = folder(name)
    let run: Awaited<ReturnType<typeof throughDriver>>
    beforeAll(async () => {
      run = await throughDriver(golden)
    })

    test('gives every line the score, model and route that the oracle gives it', () => {
      expect(compareGolden(golden, run.answers)).toEqual([])
    })

    test('gives its outputs in log order, whatever their route', () => {
      expect(firstOutOfOrder(run.outputs)).toBeUndefined()
    })

    test('says model and route in the headers of each output', () => {
      for (const { headers, value } of run.outputs) {
        const { model, route } = value as { readonly model: string; readonly route: string }
        expect(headers['tidemark-route']).toBe(route)
        expect(headers['tidemark-model']).toMatch(/^[\w-]+@1\+[0-9a-f]{8}$/)
        expect(headers['tidemark-model']).toContain(`${model}+`)
      }
    })
  },
)
