// Inspects cut and changed copies of the exports; a crash ends this process, which is why it is one
// of its own. Run with --import tsx.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seeded } from '../../src/kernel/random.ts'
import { inspectModel } from '../../src/scoring/model-file.ts'

const [count, seed] = process.argv.slice(2).map(Number)
const random = seeded(seed)
const place = (length) => Math.floor(random() * length)
const exportsFolder = fileURLToPath(new URL('../exports/', import.meta.url))
const models = readdirSync(exportsFolder)
  .filter((name) => name.endsWith('.onnx'))
  .map((name) => readFileSync(join(exportsFolder, name)))

const CHANGES = [
  (bytes) => bytes.subarray(0, place(bytes.length)),
  (bytes) => {
    const at = place(bytes.length)
    bytes[at] ^= 1 << place(8)
    return bytes
  },
  // A length of 1 GB, as a varint.
  (bytes) => {
    Buffer.from([0x80, 0x80, 0x80, 0x80, 0x04]).copy(bytes, place(bytes.length))
    return bytes
  },
  (bytes) => {
    const [from, to] = [place(bytes.length), place(bytes.length)]
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
]

const residentKb = (name) =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1])
const folder = mkdtempSync(join(tmpdir(), 'tidemark-mutants-'))
writeFileSync(
  join(folder, 'mlp-external.data'),
  readFileSync(join(exportsFolder, 'mlp-external.data')),
)
const file = join(folder, 'model.onnx')
const outcomes = {}
let beforeKb = 0
for (let i = 0; i < count + models.length; i++) {
  const whole = models[i % models.length]
  // The whole models come first, so that what ONNX Runtime keeps for itself is not counted.
  const isMutant = i >= models.length
  if (i === models.length) beforeKb = residentKb('VmHWM')
  writeFileSync(file, isMutant ? CHANGES[place(CHANGES.length)](Buffer.from(whole)) : whole)
  let codes
  try {
    const { problems } = await inspectModel(file)
    codes = problems.length === 0 ? ['accepted'] : problems.map(({ code }) => code)
  } catch (error) {
    codes = [error.code ?? String(error.stack)]
  }
  for (const code of isMutant ? new Set(codes) : []) outcomes[code] = (outcomes[code] ?? 0) + 1
}
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ outcomes, grownMb: (residentKb('VmHWM') - beforeKb) / 1024 }))
