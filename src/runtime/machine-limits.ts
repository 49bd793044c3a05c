import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { KEY_HEAP_BYTES } from '../engine/store/state-limits.ts'

/** Memory of a process besides its heap, windows and records in flight, bytes. */
const OTHER_BYTES = 128 * 2 ** 20
const MOST_IN_FLIGHT_BYTES = 256_000_000

/** The limits of a worker that its machine decides. */
export type MachineLimits = Record<
  'maxInFlightBytes' | 'maxKeys' | 'maxStateBytes' | 'maxTableBytes' | 'maxStoreBytes',
  number
>

/**
 * Half of the memory for the windows of all workers, or what a small container has besides the
 * heap; keys for half of a worker's heap; and an eighth of the memory for records that are not
 * committed yet, up to a bound.
 */
export function limitsOfMachine(workers = 1): MachineLimits {
  const { heap_size_limit: heap } = getHeapStatistics()
  const memory = memoryOfMachine() / workers
  const left = Math.max(memory / 8, memory - heap - OTHER_BYTES)
  return {
    maxKeys: Math.floor(heap / 2 / KEY_HEAP_BYTES),
    maxStateBytes: Math.floor(Math.min(memory / 2, left)),
    maxTableBytes: Math.floor(heap / 4),
    maxStoreBytes: Math.floor(heap / 8),
    maxInFlightBytes: Math.floor(Math.min(MOST_IN_FLIGHT_BYTES, memoryOfMachine() / 8)),
  }
}

const MEBIBYTE = 2 ** 20
/** Least heap for which advice is given, and Node's heap for new objects in a small container. */
const [LEAST_HEAP_BYTES, YOUNG_BYTES] = [64 * MEBIBYTE, 4 * MEBIBYTE]

/**
 * A warning that a worker may grow beyond its memory; `null`: it does not. Node's heap grows to 256 MiB
 * and more in the smallest container.
 */
export function memoryShortage(memory: number, heap = getHeapStatistics().heap_size_limit) {
  const least = ((heap + OTHER_BYTES) * 8) / 7
  if (memory >= least) return null
  const [has, most, other] = [memory, heap, OTHER_BYTES].map((bytes) => Math.round(bytes / 1e6))
  const fitting = (memory * 7) / 8 - OTHER_BYTES - YOUNG_BYTES
  const flag = `, or set NODE_OPTIONS=--max-old-space-size=${Math.floor(fitting / MEBIBYTE)}`
  const advice = `--memory ${Math.ceil(least / MEBIBYTE)}m${fitting < LEAST_HEAP_BYTES ? '' : flag}`
  return `a worker may be killed for memory: it has ${has} MB, and takes up to ${most} MB of heap, ${other} MB besides, and its windows: give it ${advice}`
}

/** Memory of this machine or container, bytes. */
export function memoryOfMachine(): number {
  return Math.min(totalmem(), limitOfContainer() ?? Number.POSITIVE_INFINITY)
}

/** The container's limit, bytes; `null`: the machine is the only limit. */
export function limitOfContainer(): number | null {
  // 0 without a limit, or an absurd number.
  const constrained = process.constrainedMemory()
  return constrained > 0 && constrained < totalmem() ? constrained : null
}
