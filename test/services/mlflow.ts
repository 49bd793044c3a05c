import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, inject, test } from 'vitest'
import { until } from './cluster.ts'
import { freePorts } from './ports.ts'

// An MLflow of the test's own, with its client in Python.

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of its programs; `null` when they are not to be had, or no test uses them. */
    mlflow: string | null
  }
}

const programs = inject('mlflow')
const { mlflow: why } = inject('untested')

/** Tests on one MLflow of their own, in their order; without it they are skipped. */
export function mlflowTests(
  define: (
    mlflowTest: (name: string, fn: (mlflow: MlflowService) => Promise<void>) => void,
  ) => void,
): void {
  let mlflow: MlflowService | null = null
  beforeAll(async () => {
    if (programs !== null) mlflow = await MlflowService.start(programs)
  })
  afterAll(() => mlflow?.stop())
  define((name, fn) => test(`${name} (MLflow)`, ({ skip }) => fn(mlflow ?? skip(why))))
}

const LOG = `
import sys, mlflow, mlflow.onnx, onnx
file, name, alias = sys.argv[1:]
mlflow.onnx.log_model(onnx.load(file), name='model', registered_model_name=name)
client = mlflow.MlflowClient()
newest = max(int(v.version) for v in client.search_model_versions(f"name='{name}'"))
client.set_registered_model_alias(name, alias, newest)
`

export class MlflowService {
  readonly port: number
  readonly #programs: string
  readonly #folder: string
  readonly #server: ChildProcess
  #isKilled = false

  private constructor(place: { port: number; bin: string; folder: string }, server: ChildProcess) {
    this.port = place.port
    this.#programs = place.bin
    this.#folder = place.folder
    this.#server = server
  }

  /** Starts one that answers to `localhost` alone. */
  static async start(bin: string): Promise<MlflowService> {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-mlflow-'))
    const [port = 0] = await freePorts(1)
    const listening = ['--host', '127.0.0.1', '--port', String(port), '--workers', '1']
    const files = ['--backend-store-uri', 'sqlite:///m.db', '--artifacts-destination', './files']
    const args = ['server', ...listening, ...files, '--allowed-hosts', `localhost:${port}`]
    const env = { ...process.env, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' }
    // A group of its own, because it has children.
    const options = { cwd: folder, env, stdio: 'ignore', detached: true } as const
    const server = spawn(join(bin, 'mlflow'), args, options)
    const service = new MlflowService({ port, bin, folder }, server)
    const health = `${service.url}/health`
    await until('MLflow answers', async () => (await fetch(health)).ok)
    return service
  }

  get url(): string {
    return `http://localhost:${this.port}`
  }

  /** Logs an ONNX file as the next version of a model, which the alias names from now on. */
  async log(file: string, name: string, alias: string): Promise<void> {
    const env = { ...process.env, MLFLOW_TRACKING_URI: this.url }
    await promisify(execFile)(join(this.#programs, 'python'), ['-c', LOG, file, name, alias], {
      env,
    })
  }

  /** Ends it as `kill -9` does. */
  kill(): void {
    const { pid } = this.#server
    if (pid !== undefined && !this.#isKilled) process.kill(-pid, 'SIGKILL')
    this.#isKilled = true
  }

  stop(): void {
    this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
