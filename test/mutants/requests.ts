import { mutantOf, type Row } from './mutant.ts'

// Mistakes in who may ask a worker over HTTP, what it takes and who answers, each one edit and the
// test that catches it.

const FORWARDING = 'test/serve/forwarding.test.ts'

const ROWS: readonly Row[] = [
  [
    'HTTP is open to the network',
    ['serve/request-server.ts', "host = '127.0.0.1'", "host = '0.0.0.0'"],
    ['test/serve/http.test.ts', 'listens on 127.0.0.1'],
  ],
  [
    'the setting for HTTP is open to the network',
    [
      'host/settings.ts',
      "value: '<address>', fallback: '127.0.0.1'",
      "value: '<address>', fallback: '0.0.0.0'",
    ],
    ['test/cli/config.test.ts', 'HTTP is served to nobody else unless it is asked for'],
  ],
  [
    'a request is forwarded twice',
    ['serve/topology-routes.ts', 'owner === null || isForwarded(request)', 'owner === null'],
    [FORWARDING, 'goes on once'],
  ],
  [
    'a parent lets in who has not the token',
    [
      'serve/worker-requests.ts',
      'RequestServer.listen({ ...address, routes })',
      'RequestServer.listen({ ...address, token: null, routes })',
    ],
    [FORWARDING, 'a parent asks nobody for who has not got it'],
  ],
  [
    'a tensor of three dimensions is taken',
    ['serve/tensors.ts', ' || more.length > 0) {', ') {'],
    ['test/serve/tensors.test.ts', 'is refused with its place'],
  ],
  [
    'a server on all IPv6 addresses is known as ::',
    ['serve/request-server.ts', "['0.0.0.0', '::']", "['0.0.0.0']"],
    ['test/serve/request-server.test.ts', 'is reached by the name of its host'],
  ],
]

export const REQUESTS = ROWS.map(mutantOf)
