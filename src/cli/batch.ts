import { Command } from 'commander'
import { configFault } from '../kernel/errors.ts'
import { addRangeOptions, runRange } from './batch-range.ts'

const TOPIC = /^kafka:(.+)$/

export function batch(): Command {
  const command = new Command('batch')
    .description('score a bounded range of a topic, in a consumer group of its own, and exit')
    .argument('<file>', 'topology')
    .requiredOption('--input <kafka:topic>', 'topic to read')
    .action(async (file: string, flags: Parameters<typeof runRange>[2] & { input: string }) => {
      const topic = TOPIC.exec(flags.input)?.[1]
      if (topic === undefined) throw configFault(`"${flags.input}" is not kafka:topic`, '--input')
      await runRange(file, topic, flags)
    })
  return addRangeOptions(command)
}
