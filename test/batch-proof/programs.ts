import { type Running, startTidemark } from '../services/tidemark.ts'

/** How much of what a program has said is shown when it fails. */
const LAST_CHARACTERS = 2_000

/** Commands that run, each in a process of its own. */
export class Programs {
  readonly #running = new Set<Running>()

  start(args: readonly string[]): Running {
    const running = startTidemark(args)
    this.#running.add(running)
    void running.ended.then(() => this.#running.delete(running))
    return running
  }

  /** @throws Error when it ends with a code other than 0 */
  async run(args: readonly string[]): Promise<void> {
    const { code, signal, stderr } = await this.start(args).ended
    if (code !== 0)
      throw new Error(`ended with ${code ?? signal}:\n${stderr.slice(-LAST_CHARACTERS)}`)
  }

  /** Kills all that run. */
  stop(): void {
    for (const { process } of this.#running) process.kill('SIGKILL')
  }
}
