import { expect, it } from 'vitest'
import { cpuTicks, rssOf, usageOf } from './process-usage.ts'

it('user and system time are read after a name with spaces and brackets', () => {
  const stat =
    '27997 (node (a) b) S 1 2 3 4 -1 4194304 101 0 0 0 350 27 9 9 20 0 11 0 205090 3133440'
  expect(cpuTicks(stat)).toBe(377)
})

it('the resident size and its peak are read in bytes', () => {
  const status = 'Name:\tnode\nVmPeak:\t  900 kB\nVmHWM:\t    2192 kB\nVmRSS:\t    1000 kB\n'
  expect(rssOf(status)).toEqual({ rssBytes: 1_000 * 1_024, peakRssBytes: 2_192 * 1_024 })
})

it.runIf(process.platform === 'linux')('a process is measured as it measures itself', () => {
  const before = process.cpuUsage()
  const usage = usageOf(process.pid)
  const after = process.cpuUsage()
  const tick = 0.01
  expect(usage?.cpuSeconds).toBeGreaterThan((before.user + before.system) / 1e6 - 2 * tick)
  expect(usage?.cpuSeconds).toBeLessThan((after.user + after.system) / 1e6 + 2 * tick)
  expect(usage?.mainThreadSeconds).toBeGreaterThan(0)
  expect(usage?.mainThreadSeconds).toBeLessThanOrEqual(usage?.cpuSeconds ?? 0)
  expect(usage?.peakRssBytes).toBeGreaterThan(process.memoryUsage.rss() / 2)
  expect(usage?.rssBytes).toBeGreaterThan(process.memoryUsage.rss() / 2)
})

it('a process that has ended is not measured', () => {
  expect(usageOf(2 ** 30)).toBeNull()
})

it('a process that has ended and is still listed holds no memory', () => {
  expect(rssOf('Name:\tnode\nState:\tZ (zombie)\n')).toEqual({ rssBytes: 0, peakRssBytes: 0 })
})
