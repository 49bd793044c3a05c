import { expect, test } from 'vitest'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'

test('who waits hears of it when it holds, not before, and all who wait do', async () => {
  const changed = new ConditionVariable()
  const heard: number[] = []
  let n = 0
  const all = [1, 2, 2].map((wanted) =>
    changed.until(() => n >= wanted).then(() => heard.push(wanted)),
  )
  for (n = 1; n <= 2; n++) {
    changed.notifyAll()
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toEqual([1, 2, 2].filter((wanted) => wanted <= n))
  }
  await Promise.all(all)
})

test('what holds already is not waited for', async () => {
  await expect(new ConditionVariable().until(() => true)).resolves.toBeUndefined()
})
