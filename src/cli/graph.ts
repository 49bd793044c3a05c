import { Command, Option } from 'commander'
import { describe } from '../topology/describe.ts'
import { mermaid } from './mermaid.ts'
import { write } from './output.ts'
import { loadTopology } from './topology-file.ts'

/** `tidemark graph FILE` */
export function graph(): Command {
  return new Command('graph')
    .description('show what a topology reads, keeps, computes and writes')
    .argument('<file>', 'topology')
    .addOption(
      new Option('--format <name>', 'what to write')
        .choices(['mermaid', 'json'])
        .default('mermaid'),
    )
    .action(async (file: string, flags: { format: 'mermaid' | 'json' }) => {
      const description = describe(await loadTopology(file))
      const text =
        flags.format === 'json' ? JSON.stringify(description, null, 2) : mermaid(description)
      await write(`${text}\n`)
    })
}
