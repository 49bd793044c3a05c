/** The most rows that may wait for the shadows of a worker, or be scored by them. */
const MOST_ROWS = 16_384

/** Room for the rows that wait for shadows, which all shadows of a worker share. */
export class QueueRoom {
  #left: number

  /** @param rows how many there is room for */
  constructor(rows: number = MOST_ROWS) {
    this.#left = rows
  }

  /** Takes room for some rows. Returns false if there is none for all of them. */
  take(rows: number): boolean {
    if (rows > this.#left) return false
    this.#left -= rows
    return true
  }

  /** Returns what was taken. */
  giveBack(rows: number): void {
    this.#left += rows
  }
}
