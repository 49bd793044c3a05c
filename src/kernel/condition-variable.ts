/** Lets others wait until something holds. Whoever changes what they may be waiting for says so. */
export class ConditionVariable {
  readonly #waiting = new Set<() => void>()

  /** Resolves as soon as it holds: now, or when {@link notifyAll} is called. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!holds()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Something has changed. */
  notifyAll(): void {
    for (const check of [...this.#waiting]) check()
  }
}
