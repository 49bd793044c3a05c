import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in fetching batches of records, and in what is in them, each one edit and the test that
// catches it.

const COMPRESSION = 'kernel/kafka.ts'
const HEADER = 'connect/kafka/codec/batch-header.ts'
const PREPARE_TEST = 'test/runtime/start/prepare.test.ts'
const DECODE_TEST = 'test/connect/codec/decode.test.ts'
const FETCHER = 'connect/kafka/consume/fetcher.ts'
const FETCHER_TEST = 'test/connect/fetcher.test.ts'

const ROWS: readonly Row[] = [
  [
    'a leader that has answered is waited for as if it had failed all the time',
    [FETCHER, '        backoff.reset()\n', ''],
    [FETCHER_TEST, 'is asked again as soon after a failure as at first'],
  ],
  [
    'a fetch is sent when all of the last one is handed over',
    [FETCHER, 'if (bytes >= SMALL_BYTES) next = this.#ask(leader, isIdle)', 'void SMALL_BYTES'],
    [FETCHER_TEST, 'is sent before all of it is handed over'],
  ],
  [
    'two compressions have the number of the other',
    [COMPRESSION, "'none', 'gzip', 'snappy'", "'none', 'snappy', 'gzip'"],
    ['test/connect/codec/compression.test.ts', 'has the names and numbers of Kafka'],
  ],
  [
    'zstd is no compression',
    [COMPRESSION, ", 'zstd'] as const", '] as const'],
    [PREPARE_TEST, 'a compression that Kafka does not have'],
  ],
  [
    'zstd is refused where Node has it, and nowhere else',
    [COMPRESSION, "|| 'zstdCompressSync' in zlib", "|| !('zstdCompressSync' in zlib)"],
    [PREPARE_TEST, 'a compression that Kafka does not have'],
  ],
  [
    'two bits of the attributes are the compression',
    [HEADER, 'const COMPRESSION = 0b111', 'const COMPRESSION = 0b11'],
    [DECODE_TEST, 'attributes of a batch tell of'],
  ],
  [
    'a batch that may be deleted is taken for a marker',
    [HEADER, 'const CONTROL = 1 << 5', 'const CONTROL = 1 << 6'],
    [DECODE_TEST, 'attributes of a batch tell of'],
  ],
  [
    'a broker that is older than zstd is spoken to',
    ['connect/kafka/wire/protocol.ts', 'key: 0, ...classic(7)', 'key: 0, ...classic(6)'],
    ['test/connect/self-test.test.ts', 'is older than zstd, KIP-110, is refused'],
  ],
]

export const BATCHES: readonly Mutant[] = ROWS.map(mutantOf)
