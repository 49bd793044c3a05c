/** Lets callers wait for a condition. Code that may make it true calls {@link notifyAll}. */
export class ConditionVariable {
  readonly #waiting = new Set<() => void>()

  /** Resolves as soon as the condition holds: now, or after a later {@link notifyAll}. */
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

  notifyAll(): void {
    for (const check of [...this.#waiting]) check()
  }
}
