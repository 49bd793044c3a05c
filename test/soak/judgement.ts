import type { Report } from './course.ts'

/** All faults of a course, as text. */
export function faultsOf({ verdict, faults, memory, heap, finishSeconds }: Report): string[] {
  return [
    ...Object.entries(verdict.faults).map(([what, { count }]) => `${what} ${count}`),
    ...faults,
    ...(finishSeconds === null ? ['the workers did not finish in time'] : []),
    ...(memory.isFlat === false ? ['memory grows'] : []),
    ...(heap.isFlat === false ? [`the heap grows by ${heap.percentPerHour} % an hour`] : []),
  ]
}

/** The figures of a course, as lines of text. */
export function linesOf({ fed, seconds, memory, heap, beats, verdict }: Report): string[] {
  const { bySoak, byUptime, isFlat } = memory
  const flat = (is: boolean | null) => (is === null ? 'too short to tell' : is ? 'flat' : 'GROWS')
  return [
    `${fed} payments at ${Math.round(fed / seconds)}/s; ${verdict.aborted} outcomes aborted, ${verdict.repeated} repeated`,
    `${beats.beats} beats in ${beats.windows} windows, ${beats.late} of them late`,
    `memory of a worker, first and last third: ${bySoak.firstMb} and ${bySoak.lastMb} MB of the soak, ` +
      `${byUptime.firstMb} and ${byUptime.lastMb} MB by uptime, ${memory.peakMb} MB at most: ${flat(isFlat)}`,
    `heap after a collection: ${heap.medianMb} MB, ${heap.percentPerHour} % an hour: ${flat(heap.isFlat)}`,
  ]
}
