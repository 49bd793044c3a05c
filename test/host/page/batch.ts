import { runBatch } from 'tidemark'
import topology from '../../../topologies/card-fraud.ts'

const result = await runBatch(topology, {
  input: ['sample.ndjson'],
  output: 'scores',
})
for (const { name, rows, files } of result?.folders ?? []) {
  console.log(`${name}: ${rows} rows in ${files} files`)
}
console.log(result?.outcomes)
