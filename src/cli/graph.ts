import { Command, Option } from 'commander'
import { functionReadings } from '../engine/author-functions.ts'
import { describe } from '../engine/describe.ts'
import { mermaid } from './mermaid.ts'
import { write } from './output.ts'
import { loadTopology } from './topology-file.ts'

/** `tidemark graph FILE` */
export function graph(): Command {
  return new Command('graph')
    .description('show what a topology reads, stores, computes and writes')
    .argument('<file>', 'topology')
    .addOption(
      new Option('--format <name>', 'output format')
        .choices(['mermaid', 'json'])
        .default('mermaid'),
    )
    .action(async (file: string, flags: { format: 'mermaid' | 'json' }) => {
      const topology = await loadTopology(file)
      const description = describe(topology)
      const whole = () => ({ ...description, functions: functionReadings(topology) })
      const text = flags.format === 'json' ? JSON.stringify(whole(), null, 2) : mermaid(description)
      await write(`${text}\n`)
    })
}
