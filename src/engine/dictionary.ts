/**
 * Small numbers for the texts that windows hold, so that a window keeps a number and not a string. A text is forgotten
 * when the last event that holds it is pruned, and its number is used again.
 */
export class Dictionary {
  readonly #ids = new Map<string, number>()
  readonly #texts: string[] = []
  readonly #holders: number[] = []
  readonly #free: number[] = []

  hold(text: string): number {
    const known = this.#ids.get(text)
    if (known !== undefined) {
      this.#holders[known] = (this.#holders[known] as number) + 1
      return known
    }
    const id = this.#free.pop() ?? this.#texts.length
    this.#ids.set(text, id)
    this.#texts[id] = text
    this.#holders[id] = 1
    return id
  }

  release(id: number): void {
    const left = (this.#holders[id] as number) - 1
    this.#holders[id] = left
    if (left > 0) return
    this.#ids.delete(this.#texts[id] as string)
    this.#texts[id] = ''
    this.#free.push(id)
  }
}
