import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { advise } from '../../src/cli/advise.ts'
import { batch } from '../../src/cli/batch.ts'
import { check } from '../../src/cli/check.ts'
import { compare } from '../../src/cli/compare.ts'
import { consume } from '../../src/cli/consume.ts'
import { demo } from '../../src/cli/demo.ts'
import { dev } from '../../src/cli/dev.ts'
import { dlq } from '../../src/cli/dlq.ts'
import { VARIABLES } from '../../src/cli/environment.ts'
import { graph } from '../../src/cli/graph.ts'
import { init } from '../../src/cli/init.ts'
import { model } from '../../src/cli/model.ts'
import { offsetsCommand } from '../../src/cli/offsets.ts'
import { produceCommand } from '../../src/cli/produce.ts'
import { replayCommand } from '../../src/cli/replay.ts'
import { run } from '../../src/cli/run.ts'
import { serve } from '../../src/cli/serve.ts'
import { status } from '../../src/cli/status.ts'
import { STAGES } from '../../src/kernel/stages.ts'
import { WORST_FIRST } from '../../src/runtime/troubles.ts'
import { observedMetrics } from '../observe/observed.ts'
import { ROOT } from '../support/paths.ts'
import { blocksOf, filesIn, PAGES, proseOf, read } from './pages.ts'

// Names on the pages exist: commands and their flags, variables, metrics, scripts and files.

const COMMANDS: readonly Command[] = [
  ...[
    demo(),
    dev(),
    run(),
    batch(),
    serve(),
    check(),
    graph(),
    produceCommand(),
    consume(),
    compare(),
    replayCommand(),
    init(),
  ],
  advise(),
  model(),
  dlq(),
  offsetsCommand(),
  status(),
]

/** Flags of Kafka's, npm's and Docker's tools, and of others that the pages show. */
const FLAGS_OF_OTHERS = [
  ...['bootstrap-server', 'create', 'topic', 'partitions', 'group', 'reset-offsets', 'execute'],
  ...['to-datetime', 'to-current', 'to-earliest', 'to-offset', 'export', 'from-file'],
  ...['delete-offsets', 'transactional-id', 'resource-pattern-type', 'wait', 'quiet'],
  ...['save-dev', 'import', 'dry', 'max-old-space-size', 'exclude', 'rm', 'profile', 'network'],
  ...['stop-timeout', 'read-only', 'cap-drop', 'security-opt', 'build-arg', 'secret'],
  ...['no-healthcheck', 'pack-destination', 'onnxruntime-node-install'],
]

const text = PAGES.map(read).join('\n')

/** Whole lines of commands in blocks, without what the shell does with them. */
const lines = PAGES.flatMap((page) =>
  blocksOf(page)
    .filter(({ language }) => language === 'sh' || language === '' || language === 'console')
    .flatMap((block) => block.text.replaceAll('\\\n', ' ').split('\n'))
    .map((line) =>
      line
        .replace(/\s+#.*$/, '')
        .replace(/^\$ /, '')
        .trim(),
    ),
)

const used = lines.flatMap((line) => {
  const [, rest] = /(?:^|&& )(?:npx )?tidemark ([a-z].*)$/.exec(line) ?? []
  return rest === undefined ? [] : [rest.replace(/ [<>|].*$/, '')]
})

test('every command in a block is one, with its flags', () => {
  expect(used.length).toBeGreaterThan(10)
  const wrong = used.filter((line) => {
    const [name, ...args] = line.split(/\s+/)
    const found = COMMANDS.find((c) => c.name() === name)
    const inner = found?.commands.find((c) => c.name() === args[0])
    const { options } = inner ?? found ?? { options: [] }
    const flags = args.filter((arg) => arg.startsWith('--')).map((arg) => arg.split('=')[0])
    return found === undefined || flags.some((flag) => options.every(({ long }) => long !== flag))
  })
  expect(wrong).toEqual([])
})

test('every command has a row in docs/commands.md', () => {
  const page = read('docs/commands.md')
  const names = COMMANDS.flatMap((command) =>
    command.commands.length === 0
      ? [command.name()]
      : command.commands.map((inner) => `${command.name()} ${inner.name()}`),
  )
  expect(names.filter((name) => !page.includes(`| \`tidemark ${name}`))).toEqual([])
})

test('every flag that a page names exists', () => {
  const own = COMMANDS.flatMap((command) => [command, ...command.commands]).flatMap(({ options }) =>
    options.map(({ long }) => long?.slice(2)),
  )
  const ofScripts = filesIn('test', /\.ts$/)
    .filter((file) => /^test\/(batch-proof|bench|soak|chaos)\//.test(file))
    .map(read)
    .join('\n')
  const named = [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*[a-z])(?![\w…-])/g)].map(([, f]) => f)
  const unknown = [...new Set(named as string[])].filter((flag) => {
    const isOwn = ['help', 'version', ...own].includes(flag)
    return !isOwn && !FLAGS_OF_OTHERS.includes(flag) && !new RegExp(`\\b${flag}\\b`).test(ofScripts)
  })
  expect(named.length).toBeGreaterThan(100)
  expect(unknown).toEqual([])
})

test('every variable that a page names is read somewhere', () => {
  const sources = [...filesIn('test', /\.(ts|sh)$/), '.config/vitest.ts'].map(read).join('\n')
  const named = new Set(text.match(/\bTIDEMARK_[A-Z_]*[A-Z]\b/g))
  // A misspelt one, and those of Kubernetes.
  const others = ['BROKER', 'SERVICE_HOST', 'PORT'].map((name) => `TIDEMARK_${name}`)
  const unknown = [...named].filter(
    (name) => !VARIABLES.includes(name) && !sources.includes(name) && !others.includes(name),
  )
  expect(unknown).toEqual([])
})

test('every metric that a page names exists, and docs/operations.md names every metric', async () => {
  const exposed = await observedMetrics([]).metrics.text()
  const names = [...exposed.matchAll(/^# TYPE tidemark_(\w+) /gm)].map(([, name]) => name as string)
  expect(names.length).toBeGreaterThan(25)
  const page = read('docs/operations.md')
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  const named = [...text.matchAll(/\btidemark_([a-z_]+[a-z])\b/g)].map(([, name]) => name as string)
  // A worker alone does not have those of several workers under one parent.
  const sources = filesIn('src', /\.ts$/).map(read).join('\n')
  const isThere = (name: string) => names.includes(name) || sources.includes(`'${name}'`)
  expect(named.filter((name) => !isThere(name))).toEqual([])
})

test('the runbook has a section for every kind of trouble, in the order of the table', () => {
  const page = read('docs/runbook.md')
  const [troubles = ''] = page.split('## Exit codes')
  const sections = [...troubles.matchAll(/^### ([a-z-]+)$/gm)].map(([, kind]) => kind)
  expect(sections).toEqual(WORST_FIRST)
})

test('every script of npm that a page names is one', () => {
  // Also those of the folder that `tidemark init` makes.
  const scripts = ['package.json', 'topologies/starter/manifest.json'].flatMap((file) => {
    const { scripts: own } = JSON.parse(read(file)) as { scripts: Record<string, string> }
    return Object.keys(own)
  })
  const named = [...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name]) => name as string)
  expect(named.filter((name) => !scripts.includes(name))).toEqual([])
})

test('every file that a page names is there', () => {
  const files = ['src', 'test', 'topologies', 'deploy', '.config', '.ci'].flatMap((f) =>
    filesIn(f, /./),
  )
  const isThere = (name: string) =>
    existsSync(join(ROOT, name)) || files.some((file) => file === name || file.endsWith(`/${name}`))
  const ofPages = PAGES.flatMap((page) => {
    const inProse = [...proseOf(page).matchAll(/`([\w./-]*\w\.(?:ts|js|cjs|sh|java|yml|tsv))`/g)]
    const inBlocks = [
      ...read(page).matchAll(/(?<=[\s/]|^)((?:src|test|topologies)\/[\w./-]+\.\w+)/g),
    ]
    const names = [...inProse, ...inBlocks].map(([, name]) => name as string)
    return names.filter((name) => !isOfKafka(name)).map((name) => ({ page, name }))
  })
  expect(ofPages.length).toBeGreaterThan(150)
  const missing = ofPages.filter(({ page, name }) => {
    return !isThere(name) && !existsSync(join(ROOT, dirname(page), name))
  })
  expect(missing).toEqual([])
})

/** Kafka's own tools are scripts too. */
function isOfKafka(name: string): boolean {
  return /^kafka-[\w-]+\.sh$/.test(name)
}

test('every stage that is timed is told, in the order of the way', () => {
  const [, section = ''] = read('docs/operations.md').split('\n## Where the time goes\n')
  const rows = (section.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \|/gm)
  expect(Array.from(rows, ([, stage]) => stage)).toEqual(Object.keys(STAGES))
})
