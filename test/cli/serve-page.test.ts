import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { blocksOf } from '../house/pages.ts'
import { httpOfRequests, start } from '../services/tidemark-in-test.ts'

const blocks = blocksOf('docs/serve.md')
const commands = blocks
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => {
    return text.split(/^(?=curl |npx )/m)
  })

test('every request of the page about requests is answered, the first as shown', async () => {
  const [serve = '', ...requests] = commands
  const run = start([...serve.trim().split(' ').slice(2), '--predict-port', '0'])
  const url = await httpOfRequests(run)
  const answers: unknown[] = []
  for (const request of requests) {
    const command = request.replace(
      'curl http://127.0.0.1:8080',
      `curl -sS --fail-with-body ${url}`,
    )
    const { stdout } = await promisify(execFile)('sh', ['-c', command])
    answers.push(JSON.parse(stdout))
  }
  expect(answers.length).toBeGreaterThan(5)
  const shown = blocks.find(({ language }) => language === '')?.text ?? ''
  const latency = { latency_ms: expect.any(Number) as number }
  expect(answers[0]).toEqual({ ...(JSON.parse(shown) as object), ...latency })
})
