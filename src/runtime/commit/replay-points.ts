import type { WatermarkParts } from '../../engine/watermark.ts'
import type { ReplayPoint } from './checkpoint-metadata.ts'

/** Number of points in the span of a replay: it is longer than necessary by at most 1/64. */
const PARTS = 64

/**
 * A sparse index of a task's past: offsets with the newest event time before each. Of the points
 * before which no event can be in a window any more, only the newest is kept (rule R4: newest event
 * time + horizon ≤ watermark).
 */
export class ReplayPoints {
  readonly #horizonMs: number
  readonly #apartMs: number
  readonly #points: ReplayPoint[]

  /**
   * @param lagMs how far the watermark is behind the newest event: a replay spans horizon and lag
   * together
   */
  constructor({ horizonMs, lagMs }: { horizonMs: number; lagMs: number }, first: ReplayPoint) {
    this.#horizonMs = horizonMs
    this.#apartMs = (horizonMs + lagMs) / PARTS
    this.#points = [first]
  }

  /** Called for each chunk with records, before it is processed. */
  pass(offset: number, parts: WatermarkParts): void {
    const { newestMs } = this.#points.at(-1) as ReplayPoint
    // From −Infinity, every time is far away.
    if (parts.newestMs - newestMs < this.#apartMs || parts.newestMs === newestMs) return
    this.#points.push({ offset, ...parts })
  }

  /** The point where a replay must begin to restore the windows as they are at a watermark. */
  at(watermarkMs: number): ReplayPoint {
    for (;;) {
      const next = this.#points[1]
      if (next === undefined || next.newestMs + this.#horizonMs > watermarkMs) break
      this.#points.shift()
    }
    return this.#points[0] as ReplayPoint
  }
}
