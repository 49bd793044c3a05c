import { expect, onTestFinished, test, vi } from 'vitest'

test('the settings of whoever starts the tests do not reach a command under test', async () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv('TIDEMARK_CACHE', '/some/folder')
  vi.stubEnv('TIDEMARK_BROKERS', '10.0.0.1:1')
  vi.stubEnv('TIDEMARK_TEST_BROKERS', 'localhost:1')
  await import('../.config/vitest.ts')
  expect(process.env).not.toHaveProperty('TIDEMARK_CACHE')
  expect(process.env).not.toHaveProperty('TIDEMARK_BROKERS')
  expect(process.env).toHaveProperty('TIDEMARK_TEST_BROKERS', 'localhost:1')
})
