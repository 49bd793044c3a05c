import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { inject, onTestFinished, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { freePorts } from './ports.ts'
import { startProgram } from './tidemark.ts'

// Prometheus and its checker.

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder where they are; `null` when they are not to be had, or no test uses them. */
    prometheus: string | null
  }
}

/** Returns the faults that promtool finds, a line each; none where it is content. */
type Promtool = (args: readonly string[], input?: string) => readonly string[]

const folder = inject('prometheus')
const { prometheus: why } = inject('untested')

/** A test of what Prometheus' checker thinks; without it it is reported as skipped. */
export function promtoolTest(name: string, fn: (promtool: Promtool) => Promise<void> | void): void {
  test(`${name} (promtool)`, async ({ skip }) => {
    const path = join(folder ?? skip(why), 'promtool')
    await fn((args, input) => {
      const { status, stderr, stdout, error } = spawnSync(path, args, { input, encoding: 'utf8' })
      if (error !== undefined) throw error
      const lines = (text: string) => text.split('\n').filter((line) => line !== '')
      return status === 0 ? lines(stderr) : [`ended with ${status}`, ...lines(stdout + stderr)]
    })
  })
}

interface Found {
  readonly result: readonly { readonly value: readonly [number, string] }[]
}

interface Evaluated {
  readonly groups: readonly {
    readonly rules: readonly { readonly name: string; readonly health: string }[]
  }[]
}

/** What a Prometheus answers. */
export class Prometheus {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /**
   * Starts one that reads metrics every second, and judges by rules; it ends with the test.
   * @param target `host:port`, the only one of job `tidemark`
   * @param rules a file
   * @throws Error where there is no Prometheus
   */
  static async reading(target: string, rules: string): Promise<Prometheus> {
    if (folder === null) throw new Error(why)
    const every = { scrape_interval: '1s', evaluation_interval: '1s' }
    const jobs = [{ job_name: 'tidemark', static_configs: [{ targets: [target] }] }]
    // JSON is YAML.
    const config = { global: every, rule_files: [rules], scrape_configs: jobs }
    const dir = folderWith({ 'prometheus.yml': JSON.stringify(config) })
    const [port] = await freePorts(1)
    const address = `127.0.0.1:${port}`
    const flags = [`--web.listen-address=${address}`, '--config.file=prometheus.yml']
    const server = startProgram(join(folder, 'prometheus'), flags, { cwd: dir })
    onTestFinished(async () => {
      server.process.kill('SIGKILL')
      await server.ended
    })
    await server.says('Server is ready to receive web requests')
    return new Prometheus(`http://${address}`)
  }

  /** The values of an expression now, by series. */
  async values(expression: string): Promise<number[]> {
    const { result } = await this.#ask<Found>('query', { query: expression })
    return result.map(({ value }) => Number(value[1]))
  }

  /** By rule, `ok` when its last evaluation succeeded. */
  async healthOfRules(): Promise<Map<string, string>> {
    const { groups } = await this.#ask<Evaluated>('rules')
    return new Map(groups.flatMap(({ rules }) => rules.map(({ name, health }) => [name, health])))
  }

  async #ask<T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
    const query = new URLSearchParams(parameters).toString()
    const response = await fetch(`${this.#url}/api/v1/${path}?${query}`)
    if (!response.ok) throw new Error(await response.text())
    return ((await response.json()) as { readonly data: T }).data
  }
}
