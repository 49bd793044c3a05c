// Numbers in ascending order, as a part of a larger array: `size` numbers from `from` on.

const FEW = 64

/** How many numbers are less than `value`. */
export function countBelow(data: Float64Array, from: number, size: number, value: number): number {
  let low = 0
  let high = size
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((data[from + middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** How many numbers are at most `value`. */
export function countUpTo(data: Float64Array, from: number, size: number, value: number): number {
  // In most cases none or all are.
  if (size === 0 || (data[from] as number) > value) return 0
  if ((data[from + size - 1] as number) <= value) return size
  let low = 0
  let high = size
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((data[from + middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** Inserts a number; there must be room behind the numbers. */
export function insertOrdered(data: Float64Array, from: number, size: number, value: number): void {
  let at = from + size
  if (size > FEW) {
    at = from + countUpTo(data, from, size, value)
    data.copyWithin(at + 1, at, from + size)
  } else {
    // One by one: for so few, starting a copy costs more than the copy itself.
    for (; at > from && (data[at - 1] as number) > value; at--) data[at] = data[at - 1] as number
  }
  data[at] = value
}

/** Removes one number that equals `value`. */
export function removeOrdered(data: Float64Array, from: number, size: number, value: number): void {
  const after = from + countUpTo(data, from, size, value)
  data.copyWithin(after - 1, after, from + size)
}
